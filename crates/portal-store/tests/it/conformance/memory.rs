//! The registry that keeps nothing.

use portal_store::MemoryRegistry;

super::suite!(|_dir| {
    let registry = MemoryRegistry::new();
    move || registry.clone()
});
