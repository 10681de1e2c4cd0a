//! The way out of a VM: what of the host's network a guest may reach, and how it gets there.
