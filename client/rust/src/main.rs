//! Reads every message of a folder of golden files and writes it into another folder: `reflexio-messages FROM INTO`.

use prost::Message;
use std::{env, error::Error, fs, path::PathBuf};

pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/reflexio.v1.rs"));
}

include!(concat!(env!("OUT_DIR"), "/again.rs"));

/// The bytes of a message that was read from bytes. prost keeps nothing that it does not know.
fn same<M: Message + Default>(bytes: &[u8]) -> Result<Vec<u8>, String> {
    M::decode(bytes).map(|message| message.encode_to_vec()).map_err(|error| error.to_string())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut folders = env::args().skip(1).map(PathBuf::from);
    let from = folders.next().ok_or("two folders, please")?;
    let into = folders.next().ok_or("two folders, please")?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".binpb") {
            let message = name.split('.').next().unwrap();
            fs::write(into.join(&name), again(message, &fs::read(&path)?)?)?;
        }
    }
    Ok(())
}
