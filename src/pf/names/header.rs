//! Bits and values in the headers of a packet: TCP flags, code points of differentiated services, Apple's service
//! classes.

/// The letters of the TCP flags, lowest bit first.
pub(crate) const TCP_FLAGS: &str = "FSRPAUEW";

/// The code point of this name, in any case.
pub(crate) fn code_point(name: &str) -> Option<u8> {
    CODE_POINTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

/// The service class of this name.
pub(crate) fn service_class(name: &str) -> Option<u8> {
    CLASSES.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// The name of a service class.
pub(crate) fn service_class_name(class: u8) -> Option<&'static str> {
    CLASSES.iter().find(|(_, value)| *value == class).map(|(name, _)| *name)
}

/// Code points of differentiated services, in their place in the byte (XNU, net/pfvar.h: `DSCP_EF`, …).
const CODE_POINTS: &[(&str, u8)] = &[
    ("ef", 0xb8),
    ("af11", 0x28),
    ("af12", 0x30),
    ("af13", 0x38),
    ("af21", 0x48),
    ("af22", 0x50),
    ("af23", 0x58),
    ("af31", 0x68),
    ("af32", 0x70),
    ("af33", 0x78),
    ("af41", 0x88),
    ("af42", 0x90),
    ("af43", 0x98),
];

/// Apple's service classes (XNU, net/pfvar.h: `SC_BE`, …).
const CLASSES: &[(&str, u8)] = &[
    ("be", 0x10),
    ("bk_sys", 0x11),
    ("bk", 0x12),
    ("rd", 0x13),
    ("oam", 0x14),
    ("av", 0x15),
    ("rv", 0x16),
    ("vi", 0x17),
    ("vo", 0x18),
    ("ctl", 0x19),
];
