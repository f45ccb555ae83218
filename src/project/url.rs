//! The form in which Argo CD compares repository URLs with `sourceRepos` (`util/git`, `NormalizeGitURL`), to the byte.
//!
//! Lower case, one form for ssh, without `.git`, parsed and printed by Go's `net/url`: escapes come out as that prints them, and what it
//! cannot parse is empty, which only patterns that are unparsable themselves, or `*`, match. Not for finding repositories: `source` has
//! a form for that, which also forgives a trailing slash.

/// The normalized URL; empty where Go cannot parse it.
pub(super) fn normalize(url: &str) -> String {
    let mut text = url.trim().to_lowercase();
    if is_ssh(&text) && !text.starts_with("ssh://") {
        text = format!("ssh://{}", text.replacen(':', "/", 1));
    }
    let text = text.strip_suffix(".git").unwrap_or(&text);
    let parsed = print(text).unwrap_or_default();
    parsed.strip_prefix("ssh://").unwrap_or(&parsed).to_owned()
}

/// `^(ssh://)?([^/:]*?)@[^@]+$`
fn is_ssh(text: &str) -> bool {
    let rest = text.strip_prefix("ssh://").unwrap_or(text);
    let Some((user, host)) = rest.split_once('@') else { return false };
    !user.contains(['/', ':']) && !host.is_empty() && !host.contains(['@', '\n'])
}

/// `url.Parse` and `URL.String`.
fn print(text: &str) -> Option<String> {
    if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return None;
    }
    let (main, fragment) = match text.split_once('#') {
        Some((main, fragment)) => (main, Some(fragment)),
        None => (text, None),
    };
    let (scheme, rest) = scheme(main)?;
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let mut out = String::new();
    if !scheme.is_empty() {
        out = format!("{scheme}:");
    }
    if !rest.starts_with('/') && !scheme.is_empty() {
        // Opaque.
        out.push_str(rest);
    } else {
        if !rest.starts_with('/') && rest.split('/').next().is_some_and(|first| first.contains(':')) {
            return None;
        }
        let mut path = rest;
        if let Some(after) = rest.strip_prefix("//").filter(|after| !scheme.is_empty() || !after.starts_with('/')) {
            let at = after.find('/').unwrap_or(after.len());
            let (authority, below) = after.split_at(at);
            out.push_str("//");
            out.push_str(&print_authority(authority, scheme.starts_with("http"))?);
            path = below;
        }
        let printed = print_part(path, PATH)?;
        if out.is_empty() && printed.starts_with("//") {
            out.push_str("//");
        }
        out.push_str(&printed);
    }
    if let Some(query) = query {
        out.push('?');
        out.push_str(query);
    }
    if let Some(fragment) = fragment.filter(|fragment| !fragment.is_empty()) {
        out.push('#');
        out.push_str(&print_part(fragment, FRAGMENT)?);
    }
    Some(out)
}

fn scheme(text: &str) -> Option<(&str, &str)> {
    for (at, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at > 0 => return Some((&text[..at], &text[at + 1..])),
            ':' => return None,
            _ => break,
        }
    }
    Some(("", text))
}

fn print_authority(text: &str, strict: bool) -> Option<String> {
    let mut out = String::new();
    let host = match text.rsplit_once('@') {
        None => text,
        Some((user, host)) => {
            let fits = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
            if !user.chars().all(fits) {
                return None;
            }
            let (name, password) = match user.split_once(':') {
                Some((name, password)) => (name, Some(password)),
                None => (user, None),
            };
            out.push_str(&escape(&unescape(name)?, USER));
            if let Some(password) = password {
                out.push(':');
                out.push_str(&escape(&unescape(password)?, USER));
            }
            out.push('@');
            host
        }
    };
    if let Some(inside) = host.strip_prefix('[') {
        let (_, port) = inside.rsplit_once(']')?;
        port_fits(port)?;
    } else if let Some(at) = if strict { host.find(':') } else { host.rfind(':') } {
        port_fits(&host[at..])?;
    }
    // Only characters beyond ASCII may stand escaped in a host.
    let mut bytes = host.as_bytes();
    while let Some((byte, rest)) = bytes.split_first() {
        bytes = rest;
        match byte {
            b'%' => {
                let (high, low) = (hex(rest.first())?, hex(rest.get(1))?);
                if high < 8 && !(high == 2 && low == 5) {
                    return None;
                }
                bytes = rest.get(2..)?;
            }
            byte if byte.is_ascii() && !HOST_INPUT.contains(*byte as char) && !byte.is_ascii_alphanumeric() => {
                return None;
            }
            _ => {}
        }
    }
    out.push_str(&escape(&unescape(host)?, HOST));
    Some(out)
}

fn port_fits(text: &str) -> Option<()> {
    let Some(port) = text.strip_prefix(':') else { return text.is_empty().then_some(()) };
    port.bytes().all(|byte| byte.is_ascii_digit()).then_some(())
}

/// What may stand unescaped besides letters, digits and `-_.~`.
const PATH: &str = "$&+,/:;=@";
const PATH_AS_WRITTEN: &str = "!$&'()*+,;=:@[]%";
const FRAGMENT: &str = "$&+,/:;=?@!()*";
const USER: &str = "$&+,;=";
const HOST: &str = "!$&'()*+,;=:[]<>\"";
const HOST_INPUT: &str = "-_.~!$&'()*+,;=:[]<>\"%";

/// A path or fragment: as written where that is valid, else escaped anew.
fn print_part(text: &str, free: &str) -> Option<String> {
    let plain = unescape(text)?;
    let escaped = escape(&plain, free);
    let free_as_written =
        |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c) || PATH_AS_WRITTEN.contains(c) || free.contains(c);
    if escaped == text || text == "*" || text.chars().all(free_as_written) {
        Some(text.to_owned())
    } else {
        Some(escaped)
    }
}

fn escape(bytes: &[u8], free: &str) -> String {
    let mut out = String::new();
    for byte in bytes {
        let c = *byte as char;
        if byte.is_ascii() && (c.is_ascii_alphanumeric() || "-_.~".contains(c) || free.contains(c)) {
            out.push(c);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut bytes = text.as_bytes();
    while let Some((byte, rest)) = bytes.split_first() {
        bytes = rest;
        if *byte == b'%' {
            out.push(hex(rest.first())? * 16 + hex(rest.get(1))?);
            bytes = rest.get(2..)?;
        } else {
            out.push(*byte);
        }
    }
    Some(out)
}

fn hex(byte: Option<&u8>) -> Option<u8> {
    char::from(*byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
