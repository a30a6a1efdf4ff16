use prost::Message;
use tokio::task::LocalSet;

use super::*;
use crate::ttrpc::frame::{HEADER, MAX_BODY};
use crate::ttrpc::message::Response;
use crate::ttrpc::status::Code;

struct Fake;

impl Service for Fake {
    fn route(&self, service: &str, method: &str, payload: Bytes) -> Result<Route> {
        if service != "test" {
            return Err(Status::invalid("unknown service"));
        }
        Ok(match method {
            "echo" => Route::Work(Box::pin(async move { Ok(payload.to_vec()) })),
            "panic" => Route::Work(Box::pin(async { panic!("on purpose") })),
            "hang" => Route::Wait(Box::pin(std::future::pending())),
            _ => return Err(Status::unimplemented("unknown method")),
        })
    }
}

fn request(stream: u32, service: &str, method: &str, timeout_nano: i64) -> Vec<u8> {
    let body = Request { service: service.into(), method: method.into(), payload: Bytes::from_static(b"hi"), timeout_nano }
        .encode_to_vec();
    [&Header { length: body.len() as u32, stream, kind: TYPE_REQUEST, flags: 0 }.bytes()[..], &body].concat()
}

fn exchange(wire: Vec<u8>) -> (u32, i32, Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let mut connection = Connection::new(Rc::new(Fake), Rc::default());
        connection.feed(&wire);
        let frame = loop {
            match connection.outbox().pop() {
                Some(frame) => break frame,
                None => connection.outbox().filled().await,
            }
        };
        let header = Header::parse(frame[..HEADER].try_into().unwrap());
        let response = Response::decode(&frame[HEADER..]).unwrap();
        (header.stream, response.status.unwrap().code, response.payload)
    })
}

#[test]
fn a_request_is_answered_on_its_stream() {
    assert_eq!(exchange(request(5, "test", "echo", 0)), (5, 0, b"hi".to_vec()));
}

#[test]
fn refusals_bear_the_codes_of_the_protocol() {
    let code = |wire| exchange(wire).1;
    assert_eq!(code(request(1, "other", "echo", 0)), Code::InvalidArgument as i32);
    assert_eq!(code(request(1, "test", "other", 0)), Code::Unimplemented as i32);
    assert_eq!(code(request(2, "test", "echo", 0)), Code::InvalidArgument as i32);
    let garbage = Header { length: 3, stream: 1, kind: TYPE_REQUEST, flags: 0 };
    assert_eq!(code([&garbage.bytes()[..], &[0xff; 3]].concat()), Code::Unknown as i32);
    let huge = Header { length: MAX_BODY as u32 + 1, stream: 9, kind: TYPE_REQUEST, flags: 0 };
    assert_eq!(code([&huge.bytes()[..], &vec![0; MAX_BODY + 1]].concat()), Code::InvalidArgument as i32);
}

#[test]
fn a_time_out_ends_a_wait() {
    assert_eq!(exchange(request(1, "test", "hang", 1_000_000)).1, Code::DeadlineExceeded as i32);
}

#[test]
fn a_panic_ends_its_own_call_only() {
    assert_eq!(exchange(request(1, "test", "panic", 0)).1, Code::Internal as i32);
}

#[test]
fn unknown_frame_types_are_ignored() {
    let unknown = Header { length: 0, stream: 1, kind: 77, flags: 0 }.bytes().to_vec();
    assert_eq!(exchange([unknown, request(3, "test", "echo", 0)].concat()).0, 3);
}

#[test]
fn a_flood_of_requests_is_refused_not_stored() {
    let budget: Rc<Budget> = Rc::default();
    let shares: Vec<_> = (0..MAX_CALLS).map(|_| budget.take(0).unwrap()).collect();
    assert_eq!(budget.take(0).err().unwrap().code, Code::ResourceExhausted);
    drop(shares);
    assert!(budget.take(MAX_BYTES).is_ok());
    assert!(budget.take(MAX_BYTES + 1).is_err());
}
