//! What the library's safe wrapper drops: which partition an error is about, header names that are not UTF-8,
//! times that are not there, the ids of topics, and settings asked for by a client that is there already.

#![allow(unsafe_code, reason = "the wrapper of the C library does not offer this")]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::OwnedHeaders;

use super::plan::Consumer;
use crate::message::{Header, Headers, NO_TIME};

const NO_ERROR: sys::rd_kafka_resp_err_t = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
/// How long an answer is waited for at a time.
const GLANCE: Duration = Duration::from_millis(20);

/// What the library has to tell.
pub(super) enum Event<'a> {
    Nothing,
    Message(Record<'a>),
    /// A partition has no more messages for now.
    End(Place),
    Trouble(Trouble),
    /// The group gives this member these partitions.
    Assigned(Vec<(String, i32)>),
    /// The group takes all partitions back.
    Revoked,
}

/// A partition, and the next offset to be read in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// Negative where none is known.
    pub(super) offset: i64,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) code: RDKafkaErrorCode,
    /// None where it is not about a partition.
    pub(super) place: Option<Place>,
    pub(super) reason: String,
}

/// Events of a consumer, or of one of its partitions.
pub(super) struct Queue<'a> {
    raw: NonNull<sys::rd_kafka_queue_t>,
    consumer: PhantomData<&'a Consumer>,
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        // SAFETY: it is ours, and not used after this.
        unsafe { sys::rd_kafka_queue_destroy(self.raw.as_ptr()) }
    }
}

impl<'a> Queue<'a> {
    /// Everything that the consumer has to tell.
    pub(super) fn of(consumer: &'a Consumer) -> Option<Self> {
        // SAFETY: the consumer outlives the queue, as its lifetime says.
        let raw = unsafe { sys::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
        NonNull::new(raw).map(|raw| Self { raw, consumer: PhantomData })
    }

    /// What one partition has to tell; from now on the consumer's own queue does without it.
    pub(super) fn of_partition(consumer: &'a Consumer, topic: &str, partition: i32) -> Option<Self> {
        let name = CString::new(topic).ok()?;
        // SAFETY: as above; the name is copied.
        let raw =
            unsafe { sys::rd_kafka_queue_get_partition(consumer.client().native_ptr(), name.as_ptr(), partition) };
        let queue = NonNull::new(raw).map(|raw| Self { raw, consumer: PhantomData })?;
        // SAFETY: it is a queue; without a destination it keeps what comes.
        unsafe { sys::rd_kafka_queue_forward(queue.raw.as_ptr(), ptr::null_mut()) };
        Some(queue)
    }

    /// The next event, waited for at most so long.
    pub(super) fn poll(&self, patience: Duration) -> Event<'_> {
        // SAFETY: the queue lives; the event is destroyed by whoever holds it.
        let raw = unsafe { sys::rd_kafka_queue_poll(self.raw.as_ptr(), millis(patience)) };
        let Some(event) = NonNull::new(raw) else { return Event::Nothing };
        let event = Owned(event);
        // SAFETY: it is an event, and it lives.
        match unsafe { sys::rd_kafka_event_type(event.raw()) } {
            sys::RD_KAFKA_EVENT_FETCH => record(event).map_or(Event::Nothing, Event::Message),
            sys::RD_KAFKA_EVENT_ERROR => match trouble(&event) {
                Trouble { code: RDKafkaErrorCode::PartitionEOF, place: Some(place), .. } => Event::End(place),
                trouble => Event::Trouble(trouble),
            },
            sys::RD_KAFKA_EVENT_REBALANCE => rebalance(&event),
            _ => Event::Nothing,
        }
    }
}

/// An event that is destroyed with its holder.
struct Owned(NonNull<sys::rd_kafka_event_t>);

impl Owned {
    fn raw(&self) -> *mut sys::rd_kafka_event_t {
        self.0.as_ptr()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: it is ours, and not used after this.
        unsafe { sys::rd_kafka_event_destroy(self.raw()) }
    }
}

fn record<'a>(event: Owned) -> Option<Record<'a>> {
    // SAFETY: a fetch event holds one message, which lives as long as the event.
    let message = unsafe { sys::rd_kafka_event_message_next(event.raw()) };
    NonNull::new(message.cast_mut()).map(|message| Record { message, _event: event, queue: PhantomData })
}

fn trouble(event: &Owned) -> Trouble {
    // SAFETY: an error event has a code and a text, which lives as long as the event.
    let (code, reason) = unsafe {
        (sys::rd_kafka_event_error(event.raw()), text(sys::rd_kafka_event_error_string(event.raw())).into_owned())
    };
    // SAFETY: what is returned is ours, and may be nothing.
    let place = NonNull::new(unsafe { sys::rd_kafka_event_topic_partition(event.raw()) }).map(|element| {
        // SAFETY: it is a partition with its topic's name, and destroyed only here.
        unsafe {
            let place = place(element.as_ref());
            sys::rd_kafka_topic_partition_destroy(element.as_ptr());
            place
        }
    });
    Trouble { code: code.into(), place, reason }
}

fn rebalance(event: &Owned) -> Event<'static> {
    // SAFETY: the list belongs to the event, and is only read.
    let (code, list) = unsafe {
        (sys::rd_kafka_event_error(event.raw()), sys::rd_kafka_event_topic_partition_list(event.raw()).as_ref())
    };
    if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
        return Event::Revoked;
    }
    let Some(list) = list.filter(|list| list.cnt > 0) else { return Event::Assigned(Vec::new()) };
    // SAFETY: the library says how many there are.
    let all = unsafe { std::slice::from_raw_parts(list.elems, usize::try_from(list.cnt).unwrap_or(0)) };
    // SAFETY: each has its topic's name.
    let each = all.iter().map(|element| unsafe { place(element) });
    Event::Assigned(each.map(|place| (place.topic, place.partition)).collect())
}

/// # Safety
/// The element's topic must be a C string.
unsafe fn place(element: &sys::rd_kafka_topic_partition_t) -> Place {
    // SAFETY: as promised.
    let topic = unsafe { text(element.topic) }.into_owned();
    Place { topic, partition: element.partition, offset: element.offset }
}

/// # Safety
/// It must be null or a C string that lives for `'a`.
unsafe fn text<'a>(raw: *const c_char) -> Cow<'a, str> {
    if raw.is_null() {
        return Cow::Borrowed("");
    }
    // SAFETY: as promised.
    unsafe { CStr::from_ptr(raw) }.to_string_lossy()
}

fn millis(duration: Duration) -> c_int {
    c_int::try_from(duration.as_millis()).unwrap_or(c_int::MAX)
}

/// A message in the library's memory.
pub(super) struct Record<'a> {
    message: NonNull<sys::rd_kafka_message_t>,
    /// Holds the message.
    _event: Owned,
    queue: PhantomData<&'a ()>,
}

impl Record<'_> {
    fn raw(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: it lives as long as its event.
        unsafe { self.message.as_ref() }
    }

    /// Names of topics are ASCII.
    pub(super) fn topic(&self) -> &str {
        // SAFETY: the topic lives as long as the message; its name is a C string.
        unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(self.raw().rkt)) }.to_str().unwrap_or_default()
    }

    pub(super) fn partition(&self) -> i32 {
        self.raw().partition
    }

    pub(super) fn offset(&self) -> i64 {
        self.raw().offset
    }

    /// Milliseconds since the epoch, or what its producer took for them; [`NO_TIME`] where it gave none.
    pub(super) fn time(&self) -> i64 {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: both live.
        let time = unsafe { sys::rd_kafka_message_timestamp(self.message.as_ptr(), &raw mut kind) };
        if kind == sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE { NO_TIME } else { time }
    }

    pub(super) fn key(&self) -> Option<&[u8]> {
        // SAFETY: the library says how long it is; it lives as long as the message.
        unsafe { bytes(self.raw().key, self.raw().key_len) }
    }

    pub(super) fn value(&self) -> Option<&[u8]> {
        // SAFETY: as above.
        unsafe { bytes(self.raw().payload, self.raw().len) }
    }

    pub(super) fn headers(&self) -> Headers<'_> {
        let mut headers = ptr::null_mut();
        // SAFETY: they belong to the message.
        if unsafe { sys::rd_kafka_message_headers(self.message.as_ptr(), &raw mut headers) }
            != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            return Vec::new();
        }
        // SAFETY: they were just found.
        let count = unsafe { sys::rd_kafka_header_cnt(headers) };
        (0..count).filter_map(|index| header(headers, index)).collect()
    }
}

/// A header of a message, with which the list and everything in it lives.
fn header<'a>(headers: *const sys::rd_kafka_headers_t, index: usize) -> Option<Header<'a>> {
    let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
    // SAFETY: name and value are C's until the message goes, which the caller holds.
    unsafe {
        let found = sys::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut length);
        if found != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        Some((Cow::Borrowed(CStr::from_ptr(name).to_bytes()), bytes(value, length)))
    }
}

/// # Safety
/// It must be null or point to so many bytes that live for `'a`.
unsafe fn bytes<'a>(raw: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: as promised.
    NonNull::new(raw.cast_mut()).map(|raw| unsafe { std::slice::from_raw_parts(raw.as_ptr().cast(), length) })
}

/// Adds a header whose name may be any bytes.
pub(super) fn add_header(headers: &mut OwnedHeaders, name: &[u8], value: Option<&[u8]>) {
    let raw = ptr::from_ref(headers.as_borrowed()).cast_mut().cast::<sys::rd_kafka_headers_t>();
    let length = |bytes: &[u8]| isize::try_from(bytes.len()).unwrap_or(isize::MAX);
    let (start, size) = value.map_or((ptr::null(), 0), |value| (value.as_ptr().cast::<c_void>(), length(value)));
    // SAFETY: the list is borrowed for change; the library copies both.
    unsafe { sys::rd_kafka_header_add(raw, name.as_ptr().cast(), length(name), start, size) };
}

/// Ids of topics, which one that was deleted and made again does not keep; what is not there is left out.
/// Brokers before Kafka 2.8 have none.
pub(super) fn topic_ids(consumer: &Consumer, topics: &[String], patience: Duration) -> BTreeMap<String, (i64, i64)> {
    let names: Vec<CString> = topics.iter().filter_map(|name| CString::new(name.as_str()).ok()).collect();
    if names.is_empty() {
        return BTreeMap::new();
    }
    let mut raw: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let client = consumer.client().native_ptr();
    // SAFETY: the client lives; what is made here is destroyed here, and the result is read before its event goes.
    unsafe {
        let collection = sys::rd_kafka_TopicCollection_of_topic_names(raw.as_mut_ptr(), raw.len());
        let options =
            sys::rd_kafka_AdminOptions_new(client, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
        sys::rd_kafka_AdminOptions_set_request_timeout(options, millis(patience), ptr::null_mut(), 0);
        let queue = sys::rd_kafka_queue_new(client);
        sys::rd_kafka_DescribeTopics(client, collection, options, queue);
        let answer = NonNull::new(sys::rd_kafka_queue_poll(queue, millis(patience))).map(Owned);
        let ids = answer.map(|event| described(&event)).unwrap_or_default();
        sys::rd_kafka_queue_destroy(queue);
        sys::rd_kafka_AdminOptions_destroy(options);
        sys::rd_kafka_TopicCollection_destroy(collection);
        ids
    }
}

fn described(event: &Owned) -> BTreeMap<String, (i64, i64)> {
    // SAFETY: an event of another kind gives no result; everything that is read lives as long as the event.
    unsafe {
        let result = sys::rd_kafka_event_DescribeTopics_result(event.raw());
        if result.is_null() {
            return BTreeMap::new();
        }
        let mut count = 0;
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if topics.is_null() {
            return BTreeMap::new();
        }
        let all = std::slice::from_raw_parts(topics, count).iter();
        let known = all.filter_map(|topic| {
            let id = sys::rd_kafka_TopicDescription_topic_id(*topic).as_ref()?;
            let parts = (
                sys::rd_kafka_Uuid_most_significant_bits(ptr::from_ref(id)),
                sys::rd_kafka_Uuid_least_significant_bits(ptr::from_ref(id)),
            );
            (parts != (0, 0)).then(|| (text(sys::rd_kafka_TopicDescription_name(*topic)).into_owned(), parts))
        });
        known.collect()
    }
}

/// Whose setting is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose<'a> {
    Topic(&'a str),
    Broker(i32),
}

/// No broker answered, or the library could not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unanswered;

/// Asks for one setting by a client of any kind: one that is connected has the answer within milliseconds, while a new
/// one would first have to find the brokers. None where the answer has no value.
///
/// # Errors
/// When nobody answers until `is_over`, which is looked at every 20 ms.
pub(super) fn setting<C: ClientContext>(
    client: &Client<C>,
    whose: Whose<'_>,
    name: &str,
    is_over: impl Fn() -> bool,
) -> Result<Option<String>, Unanswered> {
    use sys::rd_kafka_ResourceType_t::{RD_KAFKA_RESOURCE_BROKER, RD_KAFKA_RESOURCE_TOPIC};
    let (kind, owner) = match whose {
        Whose::Topic(topic) => (RD_KAFKA_RESOURCE_TOPIC, topic.to_owned()),
        Whose::Broker(id) => (RD_KAFKA_RESOURCE_BROKER, id.to_string()),
    };
    let owner = CString::new(owner).map_err(|_| Unanswered)?;
    // SAFETY: the client lives; what is made here is destroyed here, and an answer that comes after its queue is
    // dropped by the library. Options are the library's own where none are given.
    let answer = unsafe {
        let mut resource =
            NonNull::new(sys::rd_kafka_ConfigResource_new(kind, owner.as_ptr())).ok_or(Unanswered)?.as_ptr();
        let queue = sys::rd_kafka_queue_new(client.native_ptr());
        sys::rd_kafka_DescribeConfigs(client.native_ptr(), &raw mut resource, 1, ptr::null(), queue);
        let mut answer = None;
        while answer.is_none() && !is_over() {
            answer = NonNull::new(sys::rd_kafka_queue_poll(queue, millis(GLANCE))).map(Owned);
        }
        sys::rd_kafka_queue_destroy(queue);
        sys::rd_kafka_ConfigResource_destroy(resource);
        answer
    };
    // SAFETY: it is an event, and it lives.
    let answer = answer.filter(|event| unsafe { sys::rd_kafka_event_error(event.raw()) } == NO_ERROR);
    answer.map(|answer| value_of(&answer, name)).ok_or(Unanswered)
}

/// The value of a setting in an answer about one owner.
fn value_of(answer: &Owned, name: &str) -> Option<String> {
    // SAFETY: an event of another kind gives no result; everything that is read lives as long as the event, and the
    // library says how many there are.
    unsafe {
        let result = sys::rd_kafka_event_DescribeConfigs_result(answer.raw());
        if result.is_null() {
            return None;
        }
        let mut count = 0;
        let resources = NonNull::new(sys::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count))?;
        let resource = *std::slice::from_raw_parts(resources.as_ptr(), count).first()?;
        if sys::rd_kafka_ConfigResource_error(resource) != NO_ERROR {
            return None;
        }
        let entries = NonNull::new(sys::rd_kafka_ConfigResource_configs(resource, &raw mut count))?;
        let mut entries = std::slice::from_raw_parts(entries.as_ptr(), count).iter();
        let entry = entries.find(|entry| text(sys::rd_kafka_ConfigEntry_name(**entry)) == name)?;
        let value = sys::rd_kafka_ConfigEntry_value(*entry);
        (!value.is_null()).then(|| text(value).into_owned())
    }
}
