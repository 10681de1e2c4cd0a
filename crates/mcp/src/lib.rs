//! A VM as a server of the Model Context Protocol.
