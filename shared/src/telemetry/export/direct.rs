//! The OTLP exporter over HTTP with a body of our own: upstream's reads the environment, sends, waits, tries again and
//! compresses, but is given no spans; its client puts what `otlp` wrote in the place of what it was to send.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::CONTENT_ENCODING;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{self, SpanData};

use super::otlp::{self, Encoded};
use crate::telemetry::exporters::retries;

/// A buffer that had to hold more is not kept.
const KEPT: usize = 4 << 20;

/// Exports spans over HTTP.
#[derive(Debug)]
pub(crate) struct Direct {
    inner: SpanExporter,
    resource: Encoded,
    body: Body,
}

/// What is sent next.
type Body = Arc<Mutex<Bytes>>;

impl Direct {
    /// To the endpoint and with the headers that the environment says.
    ///
    /// # Errors
    /// When the environment says what cannot be.
    pub(crate) fn new(timeout: Duration) -> anyhow::Result<Self> {
        let body = Body::default();
        let client = Client { inner: blocking(timeout)?, body: Arc::clone(&body) };
        let inner = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_retry_policy(retries())
            .with_timeout(timeout)
            .build()?;
        Ok(Self { inner, resource: Encoded::default(), body })
    }

    /// The buffer of the request before, if nobody holds it any more.
    fn buffer(&self) -> Vec<u8> {
        let before = std::mem::take(&mut *self.body.lock().unwrap_or_else(PoisonError::into_inner));
        let mut buffer = before.try_into_mut().map(Vec::from).unwrap_or_default();
        buffer.clear();
        if buffer.capacity() > KEPT { Vec::new() } else { buffer }
    }
}

impl trace::SpanExporter for Direct {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut buffer = self.buffer();
        otlp::request(&mut buffer, &self.resource, &batch);
        drop(batch);
        *self.body.lock().unwrap_or_else(PoisonError::into_inner) = Bytes::from(buffer);
        self.inner.export(Vec::new()).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = Encoded::new(resource);
        self.inner.set_resource(resource);
    }
}

/// Sends the body that lies ready.
#[derive(Debug)]
struct Client {
    inner: reqwest::blocking::Client,
    body: Body,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let body = self.body.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let compressed = request.headers().contains_key(CONTENT_ENCODING);
        *request.body_mut() = if compressed { gzip(&body)? } else { body };
        self.inner.send_bytes(request).await
    }
}

/// The only compression that is built in.
fn gzip(body: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body)?;
    encoder.finish().map(Bytes::from)
}

/// A client of this kind is not made on a thread that runs futures.
fn blocking(timeout: Duration) -> anyhow::Result<reqwest::blocking::Client> {
    let made = std::thread::spawn(move || reqwest::blocking::Client::builder().timeout(timeout).build()).join();
    made.ok().context("the exporter's client panicked")?.context("making the exporter's client")
}
