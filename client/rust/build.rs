//! Generates the messages of the contract, and a table of those that golden files are about.

use std::{env, fmt::Write, fs, io, path::Path};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // Not made by protoc here: that of many distributions is too old for an option of the contract.
    let contract = root.join("build/clients/rust/contract.binpb");
    println!("cargo:rerun-if-changed={}", contract.display());
    let sources: Vec<_> = listed(&root.join("proto/reflexio/v1"), "proto")?
        .into_iter()
        .map(|name| format!("reflexio/v1/{name}.proto"))
        .collect();
    prost_build::Config::new()
        .btree_map(["."])
        .file_descriptor_set_path(contract)
        .skip_protoc_run()
        .compile_protos(&sources, &["proto"])?;

    let mut table = String::from("fn again(message: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {\n  match message {\n");
    let mut names = listed(&root.join("tests/compatibility/golden"), "binpb")?;
    names.iter_mut().for_each(|name| name.truncate(name.find('.').unwrap_or(name.len())));
    names.sort();
    names.dedup();
    for name in names {
        writeln!(table, "    {name:?} => same::<v1::{name}>(bytes),").unwrap();
    }
    table += "    _ => Err(\"unknown\".to_string()),\n  }\n}\n";
    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("again.rs"), table)
}

/// The names, without the ending, of the files in a folder.
fn listed(folder: &Path, ending: &str) -> io::Result<Vec<String>> {
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        if let Some(name) = entry?.file_name().to_string_lossy().strip_suffix(&format!(".{ending}")) {
            names.push(name.to_string());
        }
    }
    Ok(names)
}
