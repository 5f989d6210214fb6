//! The language of pf, and its verdicts. Pure: text in, values out.
