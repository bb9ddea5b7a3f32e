//! The attribute [`needs`](macro@needs) of portal-testkit.

use proc_macro::TokenStream;

/// Ignores a test, with the reason, if this machine lacks one of the programs: `#[needs(zsh)]`.
///
/// It goes above `#[test]`, which reads the attributes below it. The build script has the programs
/// that it knows.
#[proc_macro_attribute]
pub fn needs(programs: TokenStream, test: TokenStream) -> TokenStream {
    let programs = programs.to_string();
    let mut reasons = Vec::new();
    for program in programs.split(',').map(str::trim) {
        let mut missing = env!("MISSING").split(' ').filter_map(|entry| entry.split_once('='));
        if let Some((_, package)) = missing.find(|(name, _)| *name == program) {
            reasons.push(format!("no {program}; Debian: apt-get install {package}"));
        } else if !env!("FOUND").split(' ').any(|name| name == program) {
            let message = format!("{program}: not a program of the build script");
            return parse(&format!("::core::compile_error!({message:?});"));
        }
    }
    if reasons.is_empty() {
        return test;
    }
    let mut ignored = parse(&format!("#[ignore = {:?}]", reasons.join("; ")));
    ignored.extend(test);
    ignored
}

fn parse(rust: &str) -> TokenStream {
    rust.parse().unwrap_or_default()
}
