//! (to be written)
/// A device's place in the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceIndex(pub u32);
