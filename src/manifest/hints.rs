//! What probably made a cell invalid, and what to do about it: the end of a message.

use csv::StringRecord;

use super::layout::Layout;
use super::mangled;
use super::records::trim;
use crate::domain::device::shown;
use crate::domain::template::Filter;

/// The probable cause of a text that is refused, to be added to the reason.
pub(super) fn hint(text: &str) -> String {
    mangled::cause(text).map_or_else(String::new, |cause| {
        format!("; probably {}", cause.reason())
    })
}

/// What to do about an invalid name that the template gives for this row. Most cameras have a MAC address.
pub(super) fn template_hint(layout: &Layout, cells: &StringRecord, device_id: &str) -> String {
    let columns = layout.columns.iter().map(|name| &**name);
    let of_cells = columns
        .zip(cells)
        .filter(|(_, cell)| is_mac_address(trim(cell)));
    let of_id = ["device_id"]
        .into_iter()
        .filter(|_| is_mac_address(device_id));
    let columns: Vec<&str> = of_cells.map(|(name, _)| name).chain(of_id).collect();
    let without_colons = Filter::Delete(":".into());
    let Some(template) = layout.name_text.with_filter(&columns, &without_colons) else {
        return hint(device_id);
    };
    format!("; to name channels by MAC addresses without colons, give --channel-name '{template}'")
}

/// What to do about a name that a cell gives.
pub(super) fn cell_hint(layout: &Layout, name: &str) -> String {
    if !is_mac_address(name) {
        return hint(name);
    }
    let column = layout
        .channel_name
        .and_then(|index| layout.columns.get(index));
    format!(
        "; to name channels by MAC addresses without colons, rename the column {} to mac, and give --channel-name \
         '{{mac|delete(:)}}'",
        shown(column.map_or("channel_name", |name| name))
    )
}

/// Six or eight pairs of hexadecimal digits with colons between them.
fn is_mac_address(text: &str) -> bool {
    let is_pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    matches!(text.len(), 17 | 23) && text.split(':').all(is_pair)
}
