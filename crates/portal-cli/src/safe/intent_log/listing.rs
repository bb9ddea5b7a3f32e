//! The names of the log's files: [`Listing`], and [`Listings`], which shares one among all that wait
//! for it.
//!
//! Each row of a batch has to see every file that is there when it looks, and to list ten thousand
//! takes milliseconds. Rows that look while a listing is being made share the next one.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::file_name::FileName;

/// The names that were in the directory at some moment after the listing began.
#[derive(Debug)]
pub(super) struct Listing {
    files: Vec<String>,
    /// The positions of the files with each [key](FileName::keys).
    by_key: HashMap<String, Vec<usize>>,
}

impl Listing {
    /// Lists `directory`.
    pub(super) fn of(directory: &Path) -> io::Result<Self> {
        let mut listing = Self { files: Vec::new(), by_key: HashMap::new() };
        for file in fs::read_dir(directory)? {
            // Other files are incomplete or not part of the log.
            if let Ok(name) = file?.file_name().into_string() {
                listing.add(name);
            }
        }
        Ok(listing)
    }

    fn add(&mut self, name: String) {
        let Some(parsed) = FileName::parse(&name) else { return };
        for key in parsed.keys() {
            match self.by_key.get_mut(&*key) {
                Some(positions) => positions.push(self.files.len()),
                None => drop(self.by_key.insert(key.into_owned(), vec![self.files.len()])),
            }
        }
        self.files.push(name);
    }

    /// Every file.
    pub(super) fn all(&self) -> Vec<&str> {
        self.files.iter().map(String::as_str).collect()
    }

    /// The files that may concern an org with these `tags`, and those about one of `names`.
    pub(super) fn about(&self, tags: &[String], names: &[String]) -> Vec<&str> {
        let keys = FileName::keys_of(tags, names);
        let found = keys.iter().filter_map(|key| self.by_key.get(key)).flatten();
        let mut positions: Vec<usize> = found.copied().collect();
        positions.sort_unstable();
        positions.dedup();
        positions.iter().filter_map(|at| self.files.get(*at)).map(String::as_str).collect()
    }
}

/// The last listing, and when it began.
#[derive(Clone, Debug, Default)]
pub(super) struct Listings(Arc<Mutex<Option<Dated>>>);

type Dated = (Instant, Arc<Listing>);

impl Listings {
    /// Returns a listing that began after this call.
    pub(super) async fn fresh(
        &self,
        list: impl FnOnce() -> io::Result<Listing> + Send + 'static,
    ) -> io::Result<Arc<Listing>> {
        let asked = Instant::now();
        let mut latest = self.0.lock().await;
        if let Some((begun, listing)) = &*latest
            && *begun >= asked
        {
            return Ok(Arc::clone(listing));
        }
        let begun = Instant::now();
        let listing = Arc::new(spawn_blocking(list).await.map_err(io::Error::other)??);
        *latest = Some((begun, Arc::clone(&listing)));
        Ok(listing)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;

    use tempfile::TempDir;

    use portal_model::name::is_same_name;

    use super::*;
    use crate::org::identity;
    use crate::org::identity::tests::{of_token, org};

    #[tokio::test]
    async fn listing_under_way_is_not_shared_but_the_next() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().to_owned();
        let (listings, count) = (Listings::default(), Arc::new(AtomicU32::new(0)));
        let fresh = |release: Option<mpsc::Receiver<()>>| {
            let (path, count, listings) = (path.clone(), Arc::clone(&count), listings.clone());
            async move {
                let list = move || {
                    let listing = Listing::of(&path)?;
                    count.fetch_add(1, Ordering::Relaxed);
                    release.map(|release| release.recv());
                    Ok(listing)
                };
                listings.fresh(list).await.unwrap().all().len()
            }
        };
        let (release, released) = mpsc::channel();
        let first = tokio::spawn(fresh(Some(released)));
        while count.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        // The first listing is made already, and does not have it.
        let name = FileName::new("AcmePortal", &of_token("1000.a")).to_string();
        fs::write(directory.path().join(name), "").unwrap();
        let mut others = [tokio::spawn(fresh(None)), tokio::spawn(fresh(None))];
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), 0);
        for other in &mut others {
            assert_eq!(other.await.unwrap(), 1);
        }
        assert_eq!(count.load(Ordering::Relaxed), 2);
        assert_eq!(fresh(None).await, 1);
        assert_eq!(count.load(Ordering::Relaxed), 3, "a later call lists anew");
    }

    #[test]
    fn files_found_by_key_are_those_that_may_concern() {
        let one = of_token("1000.a");
        let known = one.clone().with_org(Some(org("7000")));
        let same_org = of_token("1000.b").with_org(Some(org("7000")));
        let other = of_token("1000.c");
        let orgs = [&one, &known, &same_org, &other];
        let mut listing = Listing { files: Vec::new(), by_key: HashMap::new() };
        // A portal's name can be what a tag is.
        let tag = identity::tags(&one).remove(0);
        for portal in ["AcmePortal", "acmeportal", "unknown", &tag] {
            for whose in orgs {
                listing.add(FileName::new(portal, whose).to_string());
            }
        }
        for whose in orgs {
            for names in [vec![], vec!["ACMEPORTAL".to_owned()], vec!["Unknown".to_owned()]] {
                let tags = identity::tags(whose);
                let is_wanted = |name: &&str| {
                    let file = FileName::parse(name).unwrap();
                    file.may_concern(&tags)
                        || names.iter().any(|name| is_same_name(file.portal, name))
                };
                let wanted: Vec<_> = listing.all().into_iter().filter(is_wanted).collect();
                assert_eq!(listing.about(&tags, &names), wanted, "{names:?}");
            }
        }
    }
}
