//! A proxy between fleetc and an API server in which chosen requests go wrong. Plain HTTP on both sides: `kubectl proxy` speaks TLS with
//! the server. Every answer ends its connection, so requests are counted one by one, in the order in which they arrive.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::ControlPlane;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection is dropped, and the server hears nothing.
    Before,
    /// The server does it, and the connection is dropped.
    After,
    /// This status, and the server hears nothing.
    Status(u16),
    /// The server does it, and fleetc is killed.
    Killed,
}

/// What goes wrong next.
#[derive(Default)]
struct Script {
    /// The number of a request and what happens to it.
    fault: Option<(usize, Fault)>,
    /// Who is killed.
    victim: Option<u32>,
}

/// A running proxy; the one of kubectl ends with it.
pub(crate) struct Proxy {
    port: u16,
    behind: Child,
    script: Arc<Mutex<Script>>,
    seen: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Proxy {
    /// Starts one in front of a control plane.
    pub(crate) fn start(plane: &ControlPlane) -> Self {
        let [behind_port] = super::server::free_ports();
        let behind = plane.proxy(behind_port);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            behind,
            script: Arc::default(),
            seen: Arc::default(),
            stop: Arc::default(),
        };
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", behind_port)).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(30), "kubectl proxy does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        let (script, seen, stop) = (Arc::clone(&proxy.script), Arc::clone(&proxy.seen), Arc::clone(&proxy.stop));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(client) = client else { continue };
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                // Whatever breaks off here, breaks off for the client.
                std::thread::spawn(move || serve(client, behind_port, &script, &seen));
            }
        });
        proxy
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Runs a command with a fault at one of its requests, or none; whether it came to an end by itself, its exit code and what it
    /// printed, and how many requests it sent.
    pub(crate) fn run(&self, command: &mut Command, fault: Option<(usize, Fault)>) -> (Option<i32>, String, usize) {
        self.seen.store(0, Ordering::SeqCst);
        {
            let mut script = self.script.lock().unwrap();
            script.fault = fault;
            let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            script.victim = Some(child.id());
            drop(script);
            let output = child.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            self.script.lock().unwrap().fault = None;
            (output.status.code(), text, self.seen.load(Ordering::SeqCst))
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.behind.kill();
        let _ = self.behind.wait();
    }
}

/// One connection, one request.
fn serve(mut client: TcpStream, behind: u16, script: &Mutex<Script>, seen: &AtomicUsize) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        assert!(!lower.starts_with("transfer-encoding:"), "bodies have a length");
        if line == "\r\n" {
            break;
        }
        if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let number = seen.fetch_add(1, Ordering::SeqCst);
    let (fault, victim) = {
        let script = script.lock().unwrap();
        (script.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault), script.victim)
    };
    match fault {
        Some(Fault::Before) => return None,
        Some(Fault::Status(status)) => return refuse(&mut client, status),
        _ => {}
    }
    let mut server = TcpStream::connect(("127.0.0.1", behind)).ok()?;
    server.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).ok()?;
    server.write_all(&body).ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).ok()?;
    match fault {
        Some(Fault::After) => return None,
        Some(Fault::Killed) => {
            let id = victim.unwrap_or_default().to_string();
            let _ = Command::new("sh").args(["-c", r#"kill -KILL "$1""#, "sh", &id]).status();
            return None;
        }
        _ => {}
    }
    client.write_all(&answer).ok()
}

/// What an API server in trouble says.
fn refuse(client: &mut TcpStream, status: u16) -> Option<()> {
    let (reason, message, more) = match status {
        409 => (
            "Conflict",
            "the object has been modified; please apply your changes to the latest version and try again",
            "",
        ),
        429 => (
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later",
            "Retry-After: 1\r\n",
        ),
        _ => ("InternalError", "Internal error occurred: etcdserver: request timed out", ""),
    };
    let body = format!(
        r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"{message}","reason":"{reason}","code":{status}}}"#
    );
    let head = format!(
        "HTTP/1.1 {status} Trouble\r\nContent-Type: application/json\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    client.write_all((head + &body).as_bytes()).ok()
}
