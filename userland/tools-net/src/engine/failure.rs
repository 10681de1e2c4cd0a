//! What goes wrong, by curl's exit codes. `wget` maps them to its own.

use std::fmt;
use std::io;

/// Result of the engine.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

macro_rules! exits {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// An exit code of curl.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Exit { $($(#[$doc])* $name = $code),* }
    };
}

exits! {
    /// The scheme is none of ours.
    UnsupportedProtocol = 1;
    /// The command line or the set-up is wrong.
    FailedInit = 2;
    /// The URL is malformed.
    UrlMalformed = 3;
    /// Something that this program does not have.
    NotBuiltIn = 4;
    /// The proxy's name has no address.
    ResolveProxy = 5;
    /// The host's name has no address.
    ResolveHost = 6;
    /// No connection.
    Connect = 7;
    /// The server said what is no answer.
    WeirdReply = 8;
    /// A problem of HTTP/2 framing.
    Http2 = 16;
    /// Fewer bytes than promised.
    PartialFile = 18;
    /// The server said an error and the user wants to hear of it.
    HttpReturned = 22;
    /// Writing what was received failed.
    Write = 23;
    /// Reading what is to be sent failed.
    Read = 26;
    /// Too slow.
    Timeout = 28;
    /// The server gave no range.
    Range = 33;
    /// TLS was not agreed on.
    TlsConnect = 35;
    /// A transfer cannot be resumed.
    Resume = 36;
    /// A local file cannot be read.
    FileRead = 37;
    /// A function argument is wrong.
    BadArgument = 43;
    /// Too many redirects.
    Redirects = 47;
    /// The server said nothing.
    GotNothing = 52;
    /// Sending failed.
    Send = 55;
    /// Receiving failed.
    Receive = 56;
    /// The own certificate is not usable.
    ClientCertificate = 58;
    /// The peer's certificate is not trusted.
    PeerVerification = 60;
    /// An unknown content encoding, or one that is broken.
    Encoding = 61;
    /// The file is larger than allowed.
    FileSize = 63;
    /// What was sent cannot be sent again.
    Rewind = 65;
    /// The trusted certificates cannot be read.
    CaFile = 77;
    /// A stream of HTTP/2 ended badly.
    Http2Stream = 92;
    /// A proxy refused.
    Proxy = 97;
}

/// What went wrong, and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// The words, as curl would print them.
    pub text: String,
    /// The connection was refused rather than lost.
    pub refused: bool,
    /// Nothing of an answer came over a connection that had served before.
    pub stale: bool,
}

impl Failure {
    /// A failure.
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self {
            exit,
            text: text.into(),
            refused: false,
            stale: false,
        }
    }

    /// The number of the exit code.
    pub fn code(&self) -> i32 {
        i32::from(self.exit as u8)
    }

    /// Receiving failed.
    pub fn receive(error: &io::Error) -> Self {
        Self::new(Exit::Receive, format!("Recv failure: {}", reason(error)))
    }

    /// Sending failed.
    pub fn send(error: &io::Error) -> Self {
        Self::new(Exit::Send, format!("Send failure: {}", reason(error)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// What `strerror` says about an error.
pub fn reason(error: &io::Error) -> String {
    agentos_tools_base::io::reason(error)
}
