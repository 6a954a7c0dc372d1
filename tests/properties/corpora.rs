//! Every input of the fuzz corpora.

use std::fs;
use std::path::Path;

use crate::laws;

#[test]
fn the_laws_hold_for_every_corpus_input() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, holds) in laws::ALL {
        let mut inputs = 0;
        for entry in fs::read_dir(corpora.join(name)).unwrap() {
            let path = entry.unwrap().path();
            // Printed only if the law does not hold.
            println!("{}", path.display());
            holds(&fs::read(&path).unwrap());
            inputs += 1;
        }
        assert!(inputs >= 4, "{name}: {inputs}");
    }
}
