/* Preloaded into a process, records what it does to the files under RECORD_ROOT, in its order, in
 * RECORD_LOG. One lock is held over each call and its record, so that the order is the true one.
 *
 * Creating RECORD_ROOT/fail/N-ERRNO makes the Nth of the calls that follow fail, once.
 *
 * A record is: kind (1 byte), length of the path (2), offset (8), length of the data (8), path, data;
 * numbers in the machine's own order. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static const char *root = "";
static int fail_in, fail_with;

#define REAL(name, result, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static ssize_t raw_write(int fd, const void *data, size_t size) {
    REAL("write", ssize_t, int, const void *, size_t);
    return real(fd, data, size);
}

static int raw_open(const char *path, int flags, mode_t mode) {
    REAL("open64", int, const char *, int, ...);
    return real(path, flags, mode);
}

__attribute__((constructor)) static void start(void) {
    const char *log = getenv("RECORD_LOG");
    if (!log || !getenv("RECORD_ROOT")) return;
    root = getenv("RECORD_ROOT");
    log_fd = raw_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is_recorded(const char *path) {
    return log_fd >= 0 && strncmp(path, root, strlen(root)) == 0;
}

static int path_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_recorded(path) && !strstr(path, " (deleted)");
}

static void record(char kind, const char *path, uint64_t offset, const void *data, uint64_t size) {
    unsigned char head[19];
    uint16_t length = (uint16_t)strlen(path);
    head[0] = (unsigned char)kind;
    memcpy(head + 1, &length, 2);
    memcpy(head + 3, &offset, 8);
    memcpy(head + 11, &size, 8);
    if (raw_write(log_fd, head, sizeof head) != sizeof head
        || raw_write(log_fd, path, length) != length
        || (size && raw_write(log_fd, data, size) != (ssize_t)size))
        abort();
}

static int fails(int is_ours) {
    if (!is_ours || fail_in == 0 || --fail_in > 0) return 0;
    errno = fail_with;
    return 1;
}

static int open_recorded(const char *path, int flags, mode_t mode) {
    if (!(flags & O_CREAT) || !is_recorded(path)) return raw_open(path, flags, mode);
    pthread_mutex_lock(&lock);
    const char *fail = strstr(path, "/fail/");
    if (fail) sscanf(fail, "/fail/%d-%d", &fail_in, &fail_with);
    int is_new = access(path, F_OK) != 0;
    int fd = raw_open(path, flags, mode);
    if (fd >= 0 && is_new) record('C', path, 0, NULL, 0);
    if (fd >= 0 && (flags & O_TRUNC)) record('T', path, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return fd;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return open_recorded(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define PWRITE(name) \
    ssize_t name(int fd, const void *data, size_t size, off_t offset) { \
        char path[4096]; \
        REAL(#name, ssize_t, int, const void *, size_t, off_t); \
        pthread_mutex_lock(&lock); \
        int is_ours = path_of(fd, path, sizeof path); \
        ssize_t done = fails(is_ours) ? -1 : real(fd, data, size, offset); \
        if (is_ours && done > 0) record('W', path, (uint64_t)offset, data, (uint64_t)done); \
        pthread_mutex_unlock(&lock); \
        return done; \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t write(int fd, const void *data, size_t size) {
    char path[4096];
    pthread_mutex_lock(&lock);
    int is_ours = path_of(fd, path, sizeof path);
    off_t offset = is_ours ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t done = fails(is_ours) ? -1 : raw_write(fd, data, size);
    if (is_ours && done > 0) record('W', path, (uint64_t)offset, data, (uint64_t)done);
    pthread_mutex_unlock(&lock);
    return done;
}

#define TRUNCATE(name) \
    int name(int fd, off_t size) { \
        char path[4096]; \
        REAL(#name, int, int, off_t); \
        pthread_mutex_lock(&lock); \
        int is_ours = path_of(fd, path, sizeof path); \
        int done = fails(is_ours) ? -1 : real(fd, size); \
        if (is_ours && done == 0) record('T', path, (uint64_t)size, NULL, 0); \
        pthread_mutex_unlock(&lock); \
        return done; \
    }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

#define SYNC(name) \
    int name(int fd) { \
        char path[4096]; \
        REAL(#name, int, int); \
        pthread_mutex_lock(&lock); \
        int is_ours = path_of(fd, path, sizeof path); \
        /* What is recorded is dropped in the test; the disk itself need not wait. */ \
        int done = fails(is_ours) ? -1 : is_ours ? 0 : real(fd); \
        if (is_ours && done == 0) record('S', path, 0, NULL, 0); \
        pthread_mutex_unlock(&lock); \
        return done; \
    }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path) {
    REAL("unlink", int, const char *);
    pthread_mutex_lock(&lock);
    int done = real(path);
    if (done == 0 && is_recorded(path)) record('U', path, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return done;
}

int rename(const char *from, const char *to) {
    REAL("rename", int, const char *, const char *);
    pthread_mutex_lock(&lock);
    int done = real(from, to);
    if (done == 0 && is_recorded(from)) record('R', from, 0, to, strlen(to));
    pthread_mutex_unlock(&lock);
    return done;
}

int mkdir(const char *path, mode_t mode) {
    REAL("mkdir", int, const char *, mode_t);
    pthread_mutex_lock(&lock);
    int done = real(path, mode);
    if (done == 0 && is_recorded(path)) record('D', path, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return done;
}
