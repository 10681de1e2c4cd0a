//! DNS messages: one question out, an answer in. What comes in is hostile: every length is checked, and names can neither
//! grow beyond 255 bytes nor run in circles.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest message over UDP that we say we take.
pub const UDP_SIZE: u16 = 1232;

const HEADER: usize = 12;
const NAME_MAX: usize = 255;
const LABEL_MAX: usize = 63;
const CLASS_IN: u16 = 1;
const OPT: u16 = 41;

const QR: u16 = 1 << 15;
const AUTHORITATIVE: u16 = 1 << 10;
const TRUNCATED: u16 = 1 << 9;
const RECURSE: u16 = 1 << 8;

/// Record types by name.
const TYPES: &[(&str, u16)] = &[
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("PTR", 12),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("SRV", 33),
    ("CAA", 257),
    ("ANY", 255),
];

/// The number of a record type.
pub fn kind(name: &str) -> Option<u16> {
    TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, number)| *number)
}

/// The name that a pointer record of an address has.
pub fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let mut name = String::new();
            for byte in address.octets().iter().rev() {
                let _ = write!(name, "{:x}.{:x}.", byte & 15, byte >> 4);
            }
            name + "ip6.arpa"
        }
    }
}

/// A question as a message; `None` when the name is no name.
pub fn question(id: u16, name: &str, kind: u16) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for word in [id, RECURSE, 1, 0, 0, 1] {
        out.extend(word.to_be_bytes());
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let start = out.len();
    for label in name.split('.').filter(|_| !name.is_empty()) {
        if label.is_empty() || label.len() > LABEL_MAX {
            return None;
        }
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    if out.len() - start > NAME_MAX {
        return None;
    }
    out.extend(kind.to_be_bytes());
    out.extend(CLASS_IN.to_be_bytes());
    // An empty OPT record says how long an answer may be.
    out.push(0);
    out.extend(OPT.to_be_bytes());
    out.extend(UDP_SIZE.to_be_bytes());
    out.extend([0; 6]);
    Some(out)
}

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
pub enum Data {
    Address(IpAddr),
    Name(String),
    Exchange(u16, String),
    Text(Vec<String>),
    Service(u16, u16, u16, String),
    Authority {
        origin: String,
        mail: String,
        numbers: [u32; 5],
    },
    Other(u16, Vec<u8>),
}

/// One record of an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    pub name: String,
    pub kind: u16,
    pub data: Data,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub code: u8,
    pub authoritative: bool,
    pub truncated: bool,
    pub records: Vec<Record>,
    /// The authority section, which says whom to ask when there is no answer.
    pub authority: Vec<Record>,
}

/// The words for a response code.
pub fn code_name(code: u8) -> String {
    match code {
        0 => "NOERROR".into(),
        1 => "FORMERR".into(),
        2 => "SERVFAIL".into(),
        3 => "NXDOMAIN".into(),
        4 => "NOTIMP".into(),
        5 => "REFUSED".into(),
        code => format!("RESERVED{code}"),
    }
}

/// Reads the answer to `question`; `None` for anything that is not one.
pub fn answer(question: &[u8], message: &[u8]) -> Option<Answer> {
    let mut reader = Reader { message, at: 0 };
    let header: [u16; 6] = std::array::from_fn(|_| reader.u16().unwrap_or_default());
    let [id, flags, questions, answers, authorities, _] = header;
    let asked = Reader {
        message: question,
        at: 0,
    }
    .u16()?;
    if message.len() < HEADER || id != asked || flags & QR == 0 {
        return None;
    }
    if questions == 1 {
        let ours = Reader {
            message: question,
            at: HEADER,
        }
        .question()?;
        if reader.question()? != ours {
            return None;
        }
    } else if questions > 1 {
        return None;
    }
    let truncated = flags & TRUNCATED != 0;
    let mut sections = [answers, authorities].map(|count| {
        let mut records = Vec::new();
        for _ in 0..count {
            match reader.record() {
                Some(record) => records.push(record),
                // A cut message ends somewhere.
                None => break,
            }
        }
        records
    });
    let authority = std::mem::take(&mut sections[1]);
    let records = std::mem::take(&mut sections[0]);
    if records.len() < usize::from(answers) && !truncated {
        return None;
    }
    Some(Answer {
        code: (flags & 15) as u8,
        authoritative: flags & AUTHORITATIVE != 0,
        truncated,
        records,
        authority,
    })
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let bytes = self.message.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(*self.take(2)?.first_chunk()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(*self.take(4)?.first_chunk()?))
    }

    /// A name, as text without the last dot; pointers only ever lead back.
    fn name(&mut self) -> Option<String> {
        let mut out = String::new();
        let (mut at, mut end, mut total) = (self.at, None, 0);
        loop {
            let length = usize::from(*self.message.get(at)?);
            match length {
                0 => break,
                1..=LABEL_MAX => {
                    total += length + 1;
                    if total > NAME_MAX {
                        return None;
                    }
                    if !out.is_empty() {
                        out.push('.');
                    }
                    escape(self.message.get(at + 1..at + 1 + length)?, &mut out);
                    at += 1 + length;
                }
                0xc0.. => {
                    let low = usize::from(*self.message.get(at + 1)?);
                    let to = (length & 0x3f) << 8 | low;
                    end.get_or_insert(at + 2);
                    if to >= at {
                        return None;
                    }
                    at = to;
                }
                _ => return None,
            }
        }
        self.at = end.unwrap_or(at + 1);
        Some(out)
    }

    fn question(&mut self) -> Option<(String, u16, u16)> {
        Some((self.name()?.to_ascii_lowercase(), self.u16()?, self.u16()?))
    }

    fn record(&mut self) -> Option<Record> {
        let (name, kind) = (self.name()?, self.u16()?);
        let (_class, _ttl, length) = (self.u16()?, self.u32()?, self.u16()?);
        let end = self.at.checked_add(length.into())?;
        let data = self.data(kind, end)?;
        self.at = end;
        Some(Record { name, kind, data })
    }

    fn data(&mut self, kind: u16, end: usize) -> Option<Data> {
        let whole = self.message.get(self.at..end)?;
        Some(match kind {
            1 => Data::Address(Ipv4Addr::from(<[u8; 4]>::try_from(whole).ok()?).into()),
            28 => Data::Address(Ipv6Addr::from(<[u8; 16]>::try_from(whole).ok()?).into()),
            2 | 5 | 12 => Data::Name(self.name()?),
            15 => Data::Exchange(self.u16()?, self.name()?),
            33 => Data::Service(self.u16()?, self.u16()?, self.u16()?, self.name()?),
            16 => {
                let mut texts = Vec::new();
                while self.at < end {
                    let length = self.u8()?;
                    let mut text = String::new();
                    escape_text(self.take(length.into())?, &mut text);
                    texts.push(text);
                }
                Data::Text(texts)
            }
            6 => {
                let (origin, mail) = (self.name()?, self.name()?);
                let mut numbers = [0; 5];
                for number in &mut numbers {
                    *number = self.u32()?;
                }
                Data::Authority { origin, mail, numbers }
            }
            kind => Data::Other(kind, whole.to_vec()),
        })
    }
}

/// A label: what is no letter, digit, hyphen or the like becomes `\DDD`.
fn escape(label: &[u8], out: &mut String) {
    for byte in label {
        match byte {
            b'.' | b'\\' => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            0x21..=0x7e => out.push(char::from(*byte)),
            byte => {
                let _ = write!(out, "\\{byte:03}");
            }
        }
    }
}

fn escape_text(text: &[u8], out: &mut String) {
    for byte in text {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            0x20..=0x7e => out.push(char::from(*byte)),
            byte => {
                let _ = write!(out, "\\{byte:03}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer with one record whose name points back at the question.
    fn reply(question: &[u8], flags: u16, kind: u16, data: &[u8]) -> Vec<u8> {
        let mut out = question[..2].to_vec();
        for word in [QR | flags, 1, 1, 0, 0] {
            out.extend(word.to_be_bytes());
        }
        // Without the OPT record.
        out.extend(&question[HEADER..question.len() - 11]);
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
        out
    }

    fn only(kind: u16, data: &[u8]) -> Option<Data> {
        let question = question(7, "a.example", kind).unwrap();
        let answer = answer(&question, &reply(&question, 0, kind, data))?;
        let [record] = <[Record; 1]>::try_from(answer.records).ok()?;
        assert_eq!(record.name, "a.example");
        Some(record.data)
    }

    #[test]
    fn records_of_all_kinds() {
        assert_eq!(only(1, &[1, 2, 3, 4]), Some(Data::Address("1.2.3.4".parse().unwrap())));
        assert_eq!(only(28, &[0; 16]), Some(Data::Address("::".parse().unwrap())));
        assert_eq!(only(5, &[1, b'b', 0xc0, 14]), Some(Data::Name("b.example".into())));
        assert_eq!(
            only(15, &[0, 10, 0xc0, 12]),
            Some(Data::Exchange(10, "a.example".into()))
        );
        assert_eq!(
            only(33, &[0, 1, 0, 2, 0, 80, 0]),
            Some(Data::Service(1, 2, 80, String::new()))
        );
        assert_eq!(
            only(16, &[2, b'a', b'"', 1, 7]),
            Some(Data::Text(vec!["a\\\"".into(), "\\007".into()]))
        );
        let mut soa = vec![0xc0, 12, 0xc0, 14];
        (1..=5u32).for_each(|n| soa.extend(n.to_be_bytes()));
        assert!(matches!(
            only(6, &soa),
            Some(Data::Authority {
                numbers: [1, 2, 3, 4, 5],
                ..
            })
        ));
        assert_eq!(only(99, b"x"), Some(Data::Other(99, b"x".to_vec())));
    }

    #[test]
    fn lies_are_no_answers() {
        assert_eq!(only(1, &[1, 2, 3]), None, "a short address");
        assert_eq!(only(16, &[9, b'a']), None, "a text beyond its record");
        let question = question(7, "a.example", 5).unwrap();
        let own = reply(&question, 0, 5, &[0]).len() as u8 - 1;
        assert_eq!(only(5, &[0xc0, own]), None, "a name that points at itself");
        let other = super::question(8, "a.example", 5).unwrap();
        assert_eq!(
            answer(&question, &reply(&other, 0, 5, &[0])),
            None,
            "another question's answer"
        );
        let other = super::question(7, "b.example", 5).unwrap();
        assert_eq!(answer(&question, &reply(&other, 0, 5, &[0])), None, "another name");
        assert_eq!(answer(&question, &question), None, "the question itself");
        let whole = reply(&question, 0, 5, &[0]);
        for end in 0..whole.len() {
            assert_eq!(answer(&question, &whole[..end]), None, "cut at {end}");
        }
        let cut = reply(&question, TRUNCATED, 5, &[0]);
        assert!(answer(&question, &cut[..cut.len() - 1]).is_some_and(|answer| answer.truncated));
    }

    #[test]
    fn names_that_cannot_be_asked_for() {
        for name in ["a..b", ".a", &"a".repeat(64), &["a"; 200].join(".")] {
            assert_eq!(question(1, name, 1), None, "{name}");
        }
        assert!(question(1, ".", 2).is_some() && question(1, "a.", 1) == question(1, "a", 1));
        assert_eq!(reverse("1.2.3.4".parse().unwrap()), "4.3.2.1.in-addr.arpa");
        assert!(reverse("::1".parse().unwrap()).starts_with("1.0.0.") && reverse("::1".parse().unwrap()).len() == 72);
    }
}
