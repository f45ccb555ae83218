//! `urlParse` and `urlJoin`, by the rules of Go's net/url.

use crate::template::fmt::quote;
use crate::template::function::{Arguments, Context, Entry, Failure, Outcome};
use crate::template::value::{Map, Value};

pub(super) const TABLE: &[Entry] = &[("urlJoin", "d", join), ("urlParse", "s", parse_function)];

/// Which characters stay as they are, besides letters, digits and `-_.~`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    UserPassword,
    Host,
    Zone,
    Fragment,
}

impl Part {
    fn keeps(self, byte: u8) -> bool {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            return true;
        }
        match self {
            Self::Path => b"$&+,/:;=@".contains(&byte),
            Self::UserPassword => b"$&+,;=".contains(&byte),
            Self::Host | Self::Zone => b"!$&'()*+,;=:[]<>\"".contains(&byte),
            Self::Fragment => b"$&+,/:;=?@!()*".contains(&byte),
        }
    }
}

#[derive(Default)]
struct Url {
    scheme: String,
    opaque: String,
    /// User, and password if there is one.
    user: Option<(String, Option<String>)>,
    host: String,
    path: String,
    raw_path: String,
    omits_host: bool,
    forces_query: bool,
    query: String,
    fragment: String,
    raw_fragment: String,
}

fn escape(text: &str, part: Part) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if part.keeps(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn unescape(text: &str, part: Part) -> Result<String, String> {
    let wrong = |escape: &[u8]| format!("invalid URL escape {}", quote(escape));
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'%' {
            let escape = bytes.get(at..at + 3).unwrap_or_else(|| bytes.get(at..).unwrap_or(&[]));
            let digits = std::str::from_utf8(escape.get(1..).unwrap_or(&[])).unwrap_or("");
            let code = if digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                u8::from_str_radix(digits, 16).map_err(|_| wrong(escape))?
            } else {
                return Err(wrong(escape));
            };
            let refused = match part {
                Part::Host => code < 0x80 && escape != b"%25",
                Part::Zone => escape != b"%25" && code != b' ' && !part.keeps(code),
                _ => false,
            };
            if refused {
                return Err(wrong(escape));
            }
            out.push(code);
            at += 3;
        } else {
            if matches!(part, Part::Host | Part::Zone) && byte.is_ascii() && !part.keeps(*byte) {
                return Err(format!("invalid character {} in host name", quote(&[*byte])));
            }
            out.push(*byte);
            at += 1;
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Characters that may stand in an already escaped part.
fn is_valid_encoded(text: &str, part: Part) -> bool {
    text.bytes().all(|byte| b"!$&'()*+,;=:@[]%".contains(&byte) || part.keeps(byte))
}

fn parse(text: &str) -> Result<Url, String> {
    let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
    let mut url =
        parse_without_fragment(before).map_err(|reason| format!("parse {}: {reason}", quote(before.as_bytes())))?;
    url.fragment =
        unescape(fragment, Part::Fragment).map_err(|reason| format!("parse {}: {reason}", quote(text.as_bytes())))?;
    if escape(&url.fragment, Part::Fragment) != fragment {
        url.raw_fragment = fragment.to_owned();
    }
    Ok(url)
}

/// The scheme before the first colon, if the text begins with one.
fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((text.get(..at).unwrap_or(""), text.get(at + 1..).unwrap_or(""))),
            _ => return Ok(("", text)),
        }
    }
    Ok(("", text))
}

fn parse_without_fragment(text: &str) -> Result<Url, String> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let mut url = Url::default();
    if text == "*" {
        url.path = "*".to_owned();
        return Ok(url);
    }
    let (scheme, mut rest) = split_scheme(text)?;
    url.scheme = scheme.to_ascii_lowercase();
    match rest.strip_suffix('?') {
        Some(before) if !before.contains('?') => {
            url.forces_query = true;
            rest = before;
        }
        _ => {
            let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
            url.query = query.to_owned();
            rest = before;
        }
    }
    if !rest.starts_with('/') {
        if !url.scheme.is_empty() {
            url.opaque = rest.to_owned();
            return Ok(url);
        }
        if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let authority = rest.strip_prefix("//").filter(|_| !url.scheme.is_empty() || !rest.starts_with("///"));
    if let Some(after) = authority {
        let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
        rest = path;
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        url.host = parse_host(host)?;
        url.user = user.map(parse_user).transpose()?;
    } else if !url.scheme.is_empty() && rest.starts_with('/') {
        url.omits_host = true;
    }
    url.path = unescape(rest, Part::Path)?;
    if escape(&url.path, Part::Path) != rest {
        url.raw_path = rest.to_owned();
    }
    Ok(url)
}

fn parse_user(text: &str) -> Result<(String, Option<String>), String> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !text.bytes().all(valid) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    match text.split_once(':') {
        None => Ok((unescape(text, Part::UserPassword)?, None)),
        Some((user, password)) => {
            Ok((unescape(user, Part::UserPassword)?, Some(unescape(password, Part::UserPassword)?)))
        }
    }
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn parse_host(host: &str) -> Result<String, String> {
    let bad_port = |port: &str| format!("invalid port {} after host", quote(port.as_bytes()));
    match host.rfind('[') {
        Some(open) if open > 0 => return Err("invalid IP-literal".to_owned()),
        Some(_) => {
            let Some(close) = host.rfind(']') else { return Err("missing ']' in host".to_owned()) };
            let port = host.get(close + 1..).unwrap_or("");
            if !is_port(port) {
                return Err(bad_port(port));
            }
            let address = host.get(1..close).unwrap_or("");
            let (address, zone) = address.split_at(address.find("%25").unwrap_or(address.len()));
            let address = unescape(address, Part::Host)? + &unescape(zone, Part::Zone)?;
            let plain = address.split('%').next().unwrap_or("");
            if plain.parse::<std::net::Ipv6Addr>().is_err() {
                let reason = match plain.parse::<std::net::Ipv4Addr>() {
                    Ok(_) => "invalid IP-literal".to_owned(),
                    Err(_) => format!("invalid host: ParseAddr({}): unable to parse IP", quote(address.as_bytes())),
                };
                return Err(reason);
            }
            return Ok(format!("[{address}]{port}"));
        }
        None => {}
    }
    if let Some(colon) = host.find(':') {
        let port = host.get(colon..).unwrap_or("");
        if !is_port(port) {
            return Err(bad_port(port));
        }
    }
    unescape(host, Part::Host)
}

impl Url {
    /// Without the port, and without the brackets of an address.
    fn host_name(&self) -> &str {
        let host = match self.host.rfind(':') {
            Some(colon) if is_port(self.host.get(colon..).unwrap_or("")) => self.host.get(..colon).unwrap_or(""),
            _ => &self.host,
        };
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    fn user_info(&self) -> String {
        match &self.user {
            None => String::new(),
            Some((user, None)) => escape(user, Part::UserPassword),
            Some((user, Some(password))) => {
                format!("{}:{}", escape(user, Part::UserPassword), escape(password, Part::UserPassword))
            }
        }
    }

    fn print(&self) -> String {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.opaque.is_empty() {
            let absolute = !self.scheme.is_empty() || !self.host.is_empty() || self.user.is_some();
            let omitted = self.omits_host && self.host.is_empty() && self.user.is_none();
            if absolute && !omitted {
                if !self.host.is_empty() || !self.path.is_empty() || self.user.is_some() {
                    out.push_str("//");
                }
                if self.user.is_some() {
                    out.push_str(&self.user_info());
                    out.push('@');
                }
                out.push_str(&escape(&self.host, Part::Host));
            }
            let path = escaped(&self.path, &self.raw_path, Part::Path);
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                out.push('/');
            }
            if out.is_empty() && path.split('/').next().is_some_and(|segment| segment.contains(':')) {
                out.push_str("./");
            }
            out.push_str(&path);
        } else {
            out.push_str(&self.opaque);
        }
        if self.forces_query || !self.query.is_empty() {
            out.push('?');
            out.push_str(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push('#');
            out.push_str(&escaped(&self.fragment, &self.raw_fragment, Part::Fragment));
        }
        out
    }
}

/// The text as it was written, where that is a valid form of it.
fn escaped(text: &str, raw: &str, part: Part) -> String {
    let keeps = !raw.is_empty() && is_valid_encoded(raw, part) && unescape(raw, part).is_ok_and(|plain| plain == text);
    if keeps {
        raw.to_owned()
    } else if text == "*" && part == Part::Path {
        "*".to_owned()
    } else {
        escape(text, part)
    }
}

/// What Go's `url.ParseRequestURI` reads of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestUrl {
    /// `https`; empty where there is none.
    pub scheme: String,
    /// Name or address, with the port where there is one.
    pub host: String,
    /// The path, escaped.
    pub path: String,
    /// What follows the question mark, as it is.
    pub query: String,
}

/// Reads an absolute URL or an absolute path; `None` for what is neither.
pub fn request_url(text: &str) -> Option<RequestUrl> {
    if text.is_empty() || text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return None;
    }
    let url = parse_without_fragment(text).ok()?;
    if url.scheme.is_empty() && !text.starts_with('/') && text != "*" {
        return None;
    }
    let path = if url.opaque.is_empty() { escaped(&url.path, &url.raw_path, Part::Path) } else { String::new() };
    Some(RequestUrl { scheme: url.scheme, host: url.host, path, query: url.query })
}

fn parse_function(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let url = parse(&args.text(0)).map_err(|reason| Failure::new(format!("unable to parse url: {reason}")))?;
    Ok(Value::dict([
        ("scheme", Value::from(url.scheme.as_str())),
        ("host", Value::from(url.host.as_str())),
        ("hostname", Value::from(url.host_name())),
        ("path", Value::from(url.path.as_str())),
        ("query", Value::from(url.query.as_str())),
        ("opaque", Value::from(url.opaque.as_str())),
        ("fragment", Value::from(url.fragment.as_str())),
        ("userinfo", Value::from(url.user_info())),
    ]))
}

/// A missing part is empty, one that is no string an error.
fn part(map: &Map, key: &str) -> Result<String, Failure> {
    match map.get(key.as_bytes()) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.to_text().into_owned()),
        Some(Value::Nil) => Err(super::nil_pointer()),
        Some(other) => Err(Failure::new(format!(
            "unable to parse {key} key, must be of type string, but {} found",
            other.kind().name()
        ))),
    }
}

fn join(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let map = args.map(0);
    let mut url = Url {
        scheme: part(&map, "scheme")?,
        host: part(&map, "host")?,
        path: part(&map, "path")?,
        query: part(&map, "query")?,
        opaque: part(&map, "opaque")?,
        fragment: part(&map, "fragment")?,
        ..Url::default()
    };
    let user = part(&map, "userinfo")?;
    if !user.is_empty() {
        let parsed = parse(&format!("proto://{user}@host"));
        let parsed = parsed.map_err(|reason| Failure::new(format!("unable to parse userinfo in dict: {reason}")))?;
        url.user = parsed.user;
    }
    Ok(Value::from(url.print()))
}
