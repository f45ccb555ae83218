//! fleetc
