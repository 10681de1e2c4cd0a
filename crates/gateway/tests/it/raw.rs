//! Raw requests and sockets.
