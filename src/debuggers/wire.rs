//! One question to a server that is not harmed by it, and its answer.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde::Serialize;

/// How long the server may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How much it may answer, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// What the server said of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerIdentity {
    /// Where it was asked.
    pub address: SocketAddr,
    /// Its name and version, such as `node.js/v20.20.2` or `Delve 1.20.2`.
    pub product: String,
    /// The protocol and its version, such as `CDP 1.1` or `JSON-RPC API 2`.
    pub protocol: String,
}

/// The server was asked, and did not answer as it should. Each is a clause about the server.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    #[error("cannot connect: {0}")]
    Connect(#[source] Error),
    #[error("cannot send the question: {0}")]
    Send(#[source] Error),
    #[error("cannot wait for the answer: {0}")]
    Wait(#[source] Error),
    #[error("cannot read the answer: {0}")]
    Receive(#[source] Error),
    #[error("it did not answer in time")]
    TimedOut,
    #[error("it closed the connection without a word")]
    Silent,
    #[error("its answer is longer than {} KiB", LONGEST_ANSWER / 1024)]
    TooLong,
    #[error("its answer ends too early")]
    CutShort,
    #[error("it does not speak HTTP")]
    NotHttp,
    #[error("it answered with HTTP status {}", .0.escape_debug())]
    Status(String),
    #[error("its answer is not the expected JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// The JSON lacks something; names it.
    #[error("its answer {0}")]
    Lacks(&'static str),
}

/// Sends the question and reads until the answer is complete, the server closes, or the time is over.
pub fn exchange(
    address: SocketAddr,
    question: &[u8],
    is_complete: &dyn Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, ExchangeError> {
    let start = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(ExchangeError::Connect)?;
    let _ = stream.set_write_timeout(Some(TIMEOUT));
    stream.write_all(question).map_err(ExchangeError::Send)?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !is_complete(&answer) {
        if answer.len() > LONGEST_ANSWER {
            return Err(ExchangeError::TooLong);
        }
        let left = TIMEOUT.checked_sub(start.elapsed()).filter(|left| !left.is_zero());
        let left = left.ok_or(ExchangeError::TimedOut)?;
        stream.set_read_timeout(Some(left)).map_err(ExchangeError::Wait)?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(ExchangeError::TimedOut);
            }
            Err(error) => return Err(ExchangeError::Receive(error)),
        }
    }
    if answer.is_empty() { Err(ExchangeError::Silent) } else { Ok(answer) }
}

/// `GET /json/version` of the Chrome DevTools Protocol. The Host header is the address: the inspector refuses names, to
/// fend off DNS rebinding.
pub fn ask_devtools(address: SocketAddr) -> Result<ServerIdentity, ExchangeError> {
    let request = format!("GET /json/version HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let answer = exchange(address, request.as_bytes(), &|answer| http_body(answer).is_some())?;
    let is_http = answer.starts_with(b"HTTP/");
    let unreadable = if is_http { ExchangeError::CutShort } else { ExchangeError::NotHttp };
    let (status, body) = http_body(&answer).ok_or(unreadable)?;
    if status != "200" {
        return Err(ExchangeError::Status(status));
    }
    let value: serde_json::Value = serde_json::from_slice(body)?;
    let text = |key: &str| {
        value.get(key).and_then(|value| value.as_str()).map(|text| text.escape_debug().to_string())
    };
    let product = text("Browser").ok_or(ExchangeError::Lacks("names no product"))?;
    let version = text("Protocol-Version").unwrap_or_else(|| "of an unknown version".to_owned());
    Ok(ServerIdentity { address, product, protocol: format!("CDP {version}") })
}

/// Status and body of an answer that is complete by its Content-Length.
fn http_body(answer: &[u8]) -> Option<(String, &[u8])> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.to_owned();
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    let start = end + 4;
    Some((status, answer.get(start..start.checked_add(length)?)?))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What comes of a server that answers with `answer`, once it is known that it was asked but once.
    fn answered(answer: &'static [u8], times: usize) -> Result<ServerIdentity, ExchangeError> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            // It may hang up in between.
            let _ = (0..times).try_for_each(|_| stream.write_all(answer));
            let _ = stream.shutdown(std::net::Shutdown::Write);
            listener.set_nonblocking(true).unwrap();
            assert!(listener.accept().is_err(), "it was asked twice");
            request
        });
        let identity = ask_devtools(address);
        let request = server.join().unwrap();
        assert!(request.contains(&format!("\r\nHost: {address}\r\n")), "{request}");
        identity
    }

    #[test]
    fn an_answer_that_is_not_as_expected_is_an_error_that_says_how() {
        let fine = b"HTTP/1.1 200 OK\r\nContent-Length: 47\r\n\r\n{\"Browser\":\"node.js/v1\",\"Protocol-Version\":\"1\"}";
        assert_eq!(answered(fine, 1).unwrap().product, "node.js/v1");
        let moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        for (answer, times, problem) in [
            (&moved[..], 1, "HTTP status 302"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}", 1, "ends too early"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 1, "names no product"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n<>", 1, "not the expected JSON"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", 1, "does not speak HTTP"),
            (b"", 0, "without a word"),
            (&[b'x'; 4096], 64, "longer than 64 KiB"),
        ] {
            let said = answered(answer, times).unwrap_err().to_string();
            assert!(said.contains(problem), "{said}");
        }
    }

    #[test]
    fn http_answers_are_read_by_their_length() {
        let answer = b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}x";
        assert_eq!(http_body(answer), Some(("200".to_owned(), &b"{}"[..])));
        for end in 0..answer.len() - 1 {
            assert_eq!(http_body(&answer[..end]), None);
        }
        assert_eq!(http_body(b"HTTP/1.0 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n"), None);
        assert_eq!(http_body(b"HTTP/1.0 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n"), None);
    }
}
