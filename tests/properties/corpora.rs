//! Every input that the fuzz targets start from, and every find that is kept among them.

use std::fs;
use std::path::Path;

use crate::laws;

#[test]
fn every_kept_input_holds() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, holds) in laws::ALL {
        let mut inputs = 0;
        for entry in fs::read_dir(corpora.join(name)).unwrap() {
            let path = entry.unwrap().path();
            // Printed only where the law is broken.
            println!("{}", path.display());
            holds(&fs::read(&path).unwrap());
            inputs += 1;
        }
        assert!(inputs >= 4, "{name}: {inputs}");
    }
}
