//! The outermost layer: every request in its span, with the route's template and the last trusted hop.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::uri::Authority;
use http::{HeaderMap, header};
use shared::telemetry::http::{Known, Routes, serve};

use crate::config::Web;

/// Peers whose word counts: for `traceparent`, and for who stands behind them.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Arc<Vec<Range>>);

/// Addresses with a common beginning, as in `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    network: IpAddr,
    bits: u32,
}

impl FromStr for Range {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (network, bits) = text.split_once('/').unzip();
        let network: IpAddr = network.unwrap_or(text).parse()?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse)?;
        anyhow::ensure!(bits <= most, "a prefix has at most {most} bits");
        Ok(Self { network, bits })
    }
}

impl Range {
    fn holds(&self, address: IpAddr) -> bool {
        let number = |address: IpAddr| match address {
            IpAddr::V4(four) => u128::from(four.to_bits()) << 96,
            IpAddr::V6(six) => six.to_bits(),
        };
        let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or(0);
        self.network.is_ipv4() == address.is_ipv4() && (number(self.network) ^ number(address)) & mask == 0
    }
}

impl Proxies {
    /// These and no others.
    #[must_use]
    pub fn new(ranges: Vec<Range>) -> Self {
        Self(Arc::new(ranges))
    }

    /// Whether this peer's word counts.
    #[must_use]
    pub fn trust(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|range| range.holds(peer.to_canonical()))
    }

    /// Who asks: the peer, or behind trusted ones the nearest that is not trusted itself.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trust(peer) {
            return peer;
        }
        let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
        let hops: Vec<IpAddr> =
            forwarded.flat_map(|line| line.split(',')).map_while(|hop| hop.trim().parse().ok()).collect();
        hops.iter().rev().find(|hop| !self.trust(**hop)).or(hops.first()).copied().unwrap_or(peer)
    }
}

/// Who sent a request, once the trusted hops are taken away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) IpAddr);

/// Who is in front of us, what the public calls us, and what it can ask for.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    proxies: Proxies,
    name: Option<Arc<str>>,
    routes: Routes,
}

impl Front {
    pub(crate) fn new(web: &Web) -> Self {
        let name = web.public_url.host_str().map(Arc::from);
        Self { proxies: Proxies::new(web.trusted_proxies.clone()), name, routes: Routes::default() }
    }

    /// What the request calls us: as a trusted peer says, or by our public name. A stranger may write anything there.
    fn server(&self, trusted: bool, request: &Request) -> Option<String> {
        let line = request.headers().get(header::HOST).and_then(|line| line.to_str().ok());
        let said: Authority = request.uri().authority().cloned().or_else(|| line?.parse().ok())?;
        let host = said.host().trim_matches(['[', ']']).to_ascii_lowercase();
        (trusted || self.name.as_deref() == Some(&host)).then_some(host)
    }
}

/// What a trusted peer was asked by; we ourselves speak in clear.
fn scheme(trusted: bool, headers: &HeaderMap) -> &'static str {
    let forwarded = headers.get("x-forwarded-proto").filter(|_| trusted).and_then(|line| line.to_str().ok());
    let last = forwarded.and_then(|line| line.rsplit(',').next());
    if last.is_some_and(|last| last.trim().eq_ignore_ascii_case("https")) { "https" } else { "http" }
}

/// Serves a request in its span.
pub(crate) async fn trace(State(front): State<Front>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let trusted = peer.is_some_and(|peer| front.proxies.trust(peer));
    let client = peer.map(|peer| front.proxies.client(peer, request.headers()));
    if let Some(client) = client {
        request.extensions_mut().insert(Client(client));
    }
    let known = Known {
        route: request.extensions().get::<MatchedPath>().map(|path| front.routes.get(path.as_str())),
        scheme: scheme(trusted, request.headers()),
        server: front.server(trusted, &request),
        client,
        trusted,
    };
    serve(request, known, |request| next.run(request)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(ranges: &[&str]) -> Proxies {
        Proxies::new(ranges.iter().map(|range| range.parse().unwrap()).collect())
    }

    fn client(proxies: &Proxies, peer: &str, forwarded: &str) -> String {
        let headers = HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), forwarded.parse().unwrap())]);
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn ranges_hold_their_addresses_and_no_others() {
        let proxies = proxies(&["127.0.0.0/8", "::1", "10.1.2.3"]);
        for trusted in ["127.0.0.1", "127.9.9.9", "::1", "10.1.2.3", "::ffff:127.0.0.1"] {
            assert!(proxies.trust(trusted.parse().unwrap()), "{trusted}");
        }
        for foreign in ["128.0.0.1", "::2", "10.1.2.4", "2001:db8::1"] {
            assert!(!proxies.trust(foreign.parse().unwrap()), "{foreign}");
        }
        assert!("10.0.0.0/33".parse::<Range>().is_err());
    }

    fn server(trusted: bool, host: &str) -> Option<String> {
        let front = Front { proxies: Proxies::default(), name: Some("play.example".into()), routes: Routes::default() };
        let request = http::Request::builder().uri("/").header("host", host).body(axum::body::Body::empty());
        front.server(trusted, &request.unwrap())
    }

    #[test]
    fn a_stranger_cannot_give_us_a_name() {
        assert_eq!(server(false, "Play.example:8443").as_deref(), Some("play.example"));
        assert_eq!(server(false, "evil.example"), None);
        assert_eq!(server(true, "other.example:80").as_deref(), Some("other.example"));
        assert_eq!(server(true, "[::1]:8080").as_deref(), Some("::1"));
        assert_eq!(server(true, "not a host"), None);
    }

    #[test]
    fn only_a_trusted_peer_says_what_it_was_asked_by() {
        let headers =
            |value: &str| HeaderMap::from_iter([("x-forwarded-proto".parse().unwrap(), value.parse().unwrap())]);
        assert_eq!(scheme(true, &headers("https")), "https");
        assert_eq!(scheme(true, &headers("https, http")), "http");
        assert_eq!(scheme(true, &headers("gopher")), "http");
        assert_eq!(scheme(false, &headers("https")), "http");
        assert_eq!(scheme(true, &HeaderMap::new()), "http");
    }

    #[test]
    fn only_a_trusted_peer_speaks_for_somebody_else() {
        let proxies = proxies(&["127.0.0.0/8", "10.0.0.0/8"]);
        assert_eq!(client(&proxies, "198.51.100.7", "203.0.113.9"), "198.51.100.7");
        assert_eq!(client(&proxies, "127.0.0.1", "203.0.113.9"), "203.0.113.9");
        assert_eq!(client(&proxies, "127.0.0.1", "1.1.1.1, 203.0.113.9, 10.0.0.2"), "203.0.113.9");
    }
}
