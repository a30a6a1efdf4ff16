//! A registry on loopback that does what a test tells it to, faults included.

use super::archive::{descriptor, digest, Image};
use serde_json::json;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// With its query.
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
    /// How often the path was asked for before.
    pub before: usize,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn is_blob(&self, blob: &[u8]) -> bool {
        self.path.ends_with(&digest(blob))
    }
}

#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub fault: Option<Fault>,
}

/// After how many bytes of the body something goes wrong.
#[derive(Clone, Copy)]
pub enum Fault {
    /// The connection ends.
    Cut(usize),
    /// Nothing more comes until the other side ends the connection.
    Stall(usize),
}

impl Reply {
    pub fn new(status: u16, body: &[u8]) -> Reply {
        Reply { status, headers: Vec::new(), body: body.to_vec(), fault: None }
    }

    pub fn with(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn but(mut self, fault: Fault) -> Reply {
        self.fault = Some(fault);
        self
    }
}

/// The documents and blobs of a well-behaved registry.
#[derive(Clone, Default)]
pub struct Content {
    blobs: HashMap<String, Vec<u8>>,
    tags: HashMap<String, Vec<u8>>,
}

impl Content {
    pub fn of(image: &Image) -> Content {
        let mut content = Content::default();
        content.add(image);
        content.tag("latest", &image.manifest);
        content
    }

    pub fn add(&mut self, image: &Image) {
        for blob in image.blobs() {
            self.blobs.insert(digest(blob), blob.clone());
        }
    }

    pub fn tag(&mut self, tag: &str, document: &[u8]) {
        self.blobs.insert(digest(document), document.to_vec());
        self.tags.insert(tag.into(), document.to_vec());
    }

    /// Makes an index of images for architectures.
    pub fn index(&mut self, tag: &str, images: &[(&str, &Image)]) {
        let manifests = images.iter().map(|(architecture, image)| {
            self.add(image);
            let mut described = descriptor(&image.manifest);
            described["platform"] = json!({"os": "linux", "architecture": architecture});
            described
        });
        let manifests: Vec<_> = manifests.collect();
        self.tag(tag, json!({"schemaVersion": 2, "manifests": manifests}).to_string().as_bytes());
    }

    pub fn answer(&self, asked: &Asked) -> Reply {
        let last = asked.path.rsplit('/').next().unwrap_or_default();
        let Some(body) = self.blobs.get(last).or_else(|| self.tags.get(last)) else { return Reply::new(404, b"{}") };
        let from = asked.header("range").strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
        match from.and_then(|from| from.parse::<usize>().ok()) {
            Some(from) => {
                Reply::new(206, &body[from..]).with("content-range", &format!("bytes {from}-{}/{}", body.len() - 1, body.len()))
            }
            None => Reply::new(200, body),
        }
    }
}

type Answer = dyn Fn(&Asked) -> Reply + Send + Sync;

pub struct Registry {
    address: SocketAddr,
    log: Arc<Mutex<Vec<Asked>>>,
    ended: Arc<AtomicBool>,
}

impl Registry {
    pub fn serving(content: Content) -> Registry {
        Registry::start(move |asked| content.answer(asked))
    }

    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Registry {
        Registry::listen(None, answer)
    }

    /// With a TLS certificate of its own.
    pub fn listen(tls: Option<Arc<rustls::ServerConfig>>, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Registry {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("address");
        let registry = Registry { address, log: Arc::default(), ended: Arc::default() };
        let (log, ended, answer) = (registry.log.clone(), registry.ended.clone(), Arc::new(answer) as Arc<Answer>);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (log, answer, tls) = (log.clone(), answer.clone(), tls.clone());
                let stream = stream.expect("connection");
                // A client that goes away in the middle is what several tests are about.
                std::thread::spawn(move || drop(serve(stream, tls, &log, &*answer)));
            }
        });
        registry
    }

    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn reference(&self) -> String {
        format!("{}/team/app:latest", self.address)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn log(&self) -> Vec<Asked> {
        self.log.lock().expect("log").clone()
    }

    pub fn asked_for(&self, blob: &[u8]) -> Vec<Asked> {
        self.log().into_iter().filter(|asked| asked.is_blob(blob)).collect()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

fn serve(
    stream: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
    log: &Mutex<Vec<Asked>>,
    answer: &Answer,
) -> std::io::Result<()> {
    let stream: Box<dyn Stream> = match tls {
        None => Box::new(stream),
        Some(config) => {
            let connection = rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
            Box::new(rustls::StreamOwned::new(connection, stream))
        }
    };
    let mut stream = BufReader::new(stream);
    while let Some(mut asked) = read_request(&mut stream)? {
        {
            let mut log = log.lock().expect("log");
            asked.before = log.iter().filter(|earlier| earlier.path == asked.path).count();
            log.push(asked.clone());
        }
        let reply = answer(&asked);
        let Reply { status, headers, body, fault } = &reply;
        let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let out = stream.get_mut();
        out.write_all(format!("{head}\r\n").as_bytes())?;
        match *fault {
            None => out.write_all(body)?,
            Some(Fault::Cut(after)) => {
                out.write_all(&body[..after])?;
                return out.flush();
            }
            Some(Fault::Stall(after)) => {
                out.write_all(&body[..after])?;
                out.flush()?;
                return stream.read(&mut [0]).map(|_| ());
            }
        }
        stream.get_mut().flush()?;
    }
    Ok(())
}

fn read_request(stream: &mut BufReader<Box<dyn Stream>>) -> std::io::Result<Option<Asked>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some(Asked { method, path, headers, body, before: 0 }))
}
