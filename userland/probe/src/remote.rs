//! Between processes, and to places outside the VM.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::Duration;

/// Says that others may connect now.
fn ready() -> io::Result<()> {
    println!("ready");
    io::stdout().flush()
}

/// Echoes one connection.
pub fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    ready()?;
    let (mut stream, _) = listener.accept()?;
    io::copy(&mut stream.try_clone()?, &mut stream)?;
    Ok(())
}

/// Sends a text and prints the answer.
pub fn talk(address: &str, text: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    println!("{answer}");
    Ok(())
}

/// Connects within a time.
pub fn late(address: &str, ms: &str) -> io::Result<()> {
    let timeout = Duration::from_millis(ms.parse().map_err(io::Error::other)?);
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    TcpStream::connect_timeout(&address, timeout)?;
    println!("connected");
    Ok(())
}

/// Echoes one datagram.
pub fn udp_serve(address: &str) -> io::Result<()> {
    let socket = UdpSocket::bind(address)?;
    ready()?;
    let mut buffer = [0; 2048];
    let (n, from) = socket.recv_from(&mut buffer)?;
    socket.send_to(&buffer[..n], from)?;
    Ok(())
}

/// Sends a datagram and prints the answer.
pub fn udp(address: &str, text: &str) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(address)?;
    socket.send(text.as_bytes())?;
    let mut buffer = [0; 2048];
    let n = socket.recv(&mut buffer)?;
    println!("{}", String::from_utf8_lossy(&buffer[..n]));
    Ok(())
}

/// Prints the addresses of a name.
pub fn resolve(name: &str) -> io::Result<()> {
    for address in (name, 0).to_socket_addrs()? {
        println!("{}", address.ip());
    }
    Ok(())
}
