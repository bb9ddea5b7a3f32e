//! The server over real sockets, spoken to in bytes.

mod table;
