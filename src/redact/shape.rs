//! Words that look like keys: by how keys of a known service begin, or because they are made by chance.

use std::ops::Range;

/// How keys begin, and how many more characters they have at least.
const PREFIXES: &[(&str, usize)] = &[
    ("AKIA", 12),
    ("ASIA", 12),
    ("AIza", 20),
    ("ya29.", 12),
    ("GOCSPX-", 12),
    ("1//0", 20),
    ("ghp_", 12),
    ("gho_", 12),
    ("ghu_", 12),
    ("ghs_", 12),
    ("ghr_", 12),
    ("github_pat_", 12),
    ("glpat-", 12),
    ("gldt-", 12),
    ("glrt-", 12),
    ("glptt-", 12),
    ("glcbt-", 12),
    ("glsoat-", 12),
    ("glft-", 12),
    ("glimt-", 12),
    ("glagent-", 12),
    ("GR1348941", 12),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xoxa-", 10),
    ("xoxr-", 10),
    ("xoxs-", 10),
    ("xoxe-", 10),
    ("xoxe.", 10),
    ("xapp-", 10),
    ("sk-", 16),
    ("sk_live_", 12),
    ("sk_test_", 12),
    ("rk_live_", 12),
    ("rk_test_", 12),
    ("whsec_", 12),
    ("npm_", 20),
    ("pypi-", 16),
    ("hf_", 16),
    ("rubygems_", 16),
    ("cio", 32),
    ("oy2", 40),
    ("dckr_pat_", 12),
    ("dop_v1_", 12),
    ("doo_v1_", 12),
    ("dor_v1_", 12),
    ("shpat_", 12),
    ("shpss_", 12),
    ("shpca_", 12),
    ("shppa_", 12),
    ("dapi", 32),
    ("hvs.", 16),
    ("hvb.", 16),
    ("hvr.", 16),
    ("lin_api_", 12),
    ("ntn_", 20),
    ("secret_", 32),
    ("glsa_", 16),
    ("glc_", 16),
    ("AGE-SECRET-KEY-1", 12),
    ("ATATT3", 20),
    ("sq0csp-", 12),
    ("sq0atp-", 12),
    ("EAAA", 50),
    ("fo1_", 20),
    ("nfp_", 16),
    ("sbp_", 16),
    ("pscale_tkn_", 12),
    ("pscale_pw_", 12),
    ("sntrys_", 16),
    ("NRAK-", 16),
    ("gsk_", 20),
    ("xai-", 20),
    ("r8_", 20),
    ("pplx-", 20),
    ("tskey-", 12),
    ("dp.pt.", 16),
    ("PMAK-", 16),
    ("bkua_", 16),
    ("CCIPAT_", 16),
    ("pul-", 32),
    ("ops_eyJ", 20),
    ("AKCp", 20),
    ("figd_", 16),
    ("SG.", 30),
    ("key-", 32),
    ("LTAI", 16),
    ("AQVN", 20),
    ("t1.9eu", 20),
    ("v1.0-", 60),
    // Private keys in PEM, in base64 once more.
    ("LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVk", 0),
    ("LS0tLS1CRUdJTiBQUklWQVRFIEtFW", 0),
    ("LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFW", 0),
    ("LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVEUg", 0),
    ("LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJVkFUR", 0),
];

/// What tells that a word of chance is no key: the name of what it is the digest of.
const DIGESTS: [&str; 12] = [
    "sha256:", "sha256-", "sha512-", "sha384-", "sha1-", "sha512:", "h1:", "md5-", "md5:", "etag:",
    "blake3:", "data:",
];

/// Public keys begin so, after the name of their kind.
const PUBLIC: [&str; 4] = ["AAAAB3NzaC1", "AAAAC3NzaC1", "AAAAE2Vj", "AAAAG"];

/// So long a word of chance is taken for a key.
const SHORTEST: usize = 24;
/// A longer one is data.
const LONGEST: usize = 140;

/// Finds them.
pub(super) fn find(line: &str, words: &[Range<usize>], found: &mut Vec<Range<usize>>) {
    for word in words {
        let text = &line[word.clone()];
        if text.len() < 14 {
            continue;
        }
        keys(text, word.start, found);
        if text.len() >= SHORTEST
            && !text.contains("://")
            && !DIGESTS.iter().any(|digest| text.to_lowercase().contains(digest))
        {
            by_chance(text, word.start, found);
        }
    }
}

fn is_of_key(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_-.".contains(&b)
}

/// Keys of known kinds, wherever in a word they begin.
fn keys(text: &str, begin: usize, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !is_of_key(bytes[at]) {
            at += 1;
            continue;
        }
        let length = bytes[at..].iter().take_while(|b| is_of_key(**b)).count();
        // One begins where the run does, or behind what joins words in it.
        let run = &text[at..at + length];
        let key = std::iter::once(0)
            .chain(run.match_indices(['.', '=']).map(|(at, _)| at + 1))
            .take(8)
            .find(|from| is_key(&run[*from..]));
        if let Some(from) = key {
            let more =
                text[at + length..].bytes().take_while(|b| is_of_key(*b) || b"+/=".contains(b)).count();
            let end = at + from + run[from..].trim_end_matches(['.', '-']).len();
            let end = if more > 0 && end == at + length { at + length + more } else { end };
            found.push(begin + at + from..begin + end);
        }
        at += length;
    }
}

/// Whether a text is a key of a known kind.
pub(super) fn is_key(text: &str) -> bool {
    let text = text.trim_end_matches(['.', '-']);
    let known = |(prefix, more): &(&str, usize)| {
        text.len() >= prefix.len() + more
            && text.starts_with(prefix)
            && (*more == 0
                || text[prefix.len()..].bytes().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase()))
    };
    PREFIXES.iter().any(known) || is_jwt(text) || is_azure(text) || is_bot(text)
}

/// A JSON web token: three parts in base64, of which the first two are JSON. Or five, encrypted.
fn is_jwt(text: &str) -> bool {
    let parts = text.split('.').count();
    text.starts_with("eyJ")
        && text.len() >= 20
        && (parts == 3 || parts == 5)
        && text.split('.').next().is_some_and(|it| it.len() >= 8)
}

/// A client's secret of Microsoft's: `…8Q~…`.
fn is_azure(text: &str) -> bool {
    text.len() >= 34 && text.len() <= 44 && text.get(4..6).is_some_and(|it| it == "Q~")
}

/// A token of a bot of Telegram's: the part behind its number.
fn is_bot(text: &str) -> bool {
    (33..=36).contains(&text.len())
        && text.starts_with("AA")
        && text.bytes().filter(u8::is_ascii_digit).count() >= 2
}

/// Words of chance.
fn by_chance(text: &str, begin: usize, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let is_of_word = |b: u8| b.is_ascii_alphanumeric() || b"_-+/~".contains(&b);
    let mut at = 0;
    while at < bytes.len() {
        if !is_of_word(bytes[at]) {
            at += 1;
            continue;
        }
        let length = bytes[at..].iter().take_while(|b| is_of_word(**b)).count();
        let run = &text[at..at + length];
        let is_public = PUBLIC.iter().any(|it| run.starts_with(it));
        let is_mangled = run.starts_with("_ZN") || run.starts_with("_R") || run.starts_with("__");
        // A path has more than one of these; the one key that may is so long.
        let is_path = run.contains('/') && length != 40 || run.starts_with('/');
        if (SHORTEST..=LONGEST).contains(&length) && !is_public && !is_mangled && !is_path && is_random(run) {
            let padding = bytes[at + length..].iter().take_while(|b| **b == b'=').count();
            found.push(begin + at..begin + at + length + padding);
        }
        at += length;
    }
}

/// Whether a word is made by chance: small letters, capitals and digits, and of its pairs of letters few that words
/// are made of.
pub(super) fn is_random(word: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| word.bytes().filter(kind).count();
    let (small, large, digits) =
        (has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase), has(u8::is_ascii_digit));
    if word.len() < SHORTEST || !word.is_ascii() || small < 3 || large < 3 || digits < 2 {
        return false;
    }
    let letters = word.as_bytes().windows(2).filter(|pair| pair.iter().all(u8::is_ascii_alphabetic));
    let (mut pairs, mut common) = (0, 0);
    for pair in letters {
        pairs += 1;
        common += usize::from(is_common(pair[0].to_ascii_lowercase(), pair[1].to_ascii_lowercase()));
    }
    // Of chance a tenth; of words more than a half.
    pairs == 0 || common * 10 < pairs * 3
}

/// Whether a pair of letters is one of the commonest in words.
fn is_common(first: u8, second: u8) -> bool {
    const COMMON: &[u8] = b"therinanonreatendtistoresenteditarasouvelinghaleioceiclserametimacoveldesiromnelealliraumourpeplurchshmpckspprfofieeabadagaiamapavbebobuctemfuidifilirkelologmunciscutusexevekeyueurwawoowstssst";
    COMMON.chunks_exact(2).any(|pair| pair == [first, second])
}

/// Whether a line is nothing but base64.
pub(super) fn is_base64(line: &str) -> bool {
    let bare = line.trim_end_matches('=');
    !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/_-".contains(&b))
}
