//! Results files as earlier versions wrote them: without the column `account`.

/// The file without that column; none where it has none, or is torn.
pub(crate) fn without_account(file: &[u8]) -> Option<Vec<u8>> {
    if file.last() != Some(&b'\n') || file.contains(&0) {
        return None;
    }
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.has_headers(false).from_reader(file);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut place = None;
    for record in reader.records() {
        let record = record.ok()?;
        let column = match place {
            Some(column) => column,
            None => *place.insert(record.iter().position(|name| name == "account")?),
        };
        let kept = record.iter().enumerate();
        let kept = kept.filter_map(|(index, field)| (index != column).then_some(field));
        writer.write_record(kept).unwrap();
    }
    writer.into_inner().ok()
}
