//! The RivetKit client protocol: frames, encodings, keys and addresses, without any input or output.
#![forbid(unsafe_code)]
