//! The life of an emulator: what it counts, where it starts, and how it stops.

use super::*;

#[tokio::test]
async fn a_request_is_counted_on_arrival() {
    let emulator = start(EmulatorSettings {
        latency: crate::emulator::Latency::steady(std::time::Duration::from_mins(10)),
        ..EmulatorSettings::default()
    })
    .await;
    let mut stream = TcpStream::connect(emulator.address()).await.unwrap();
    stream.write_all(create("a").as_bytes()).await.unwrap();
    while emulator.request_counts().of(ApiOperation::Create).answered == 0 {
        tokio::task::yield_now().await;
    }
    let nothing = stream.try_read(&mut [0; 1]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    // Stopping the emulator ends the wait.
    emulator.stop().await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn the_emulator_starts_only_on_a_free_loopback_port_and_stops_when_dropped() {
    let other = "0.0.0.0:4567".parse().unwrap();
    let error = Emulator::start(other, quick()).await.err().unwrap();
    assert!(matches!(error, StartError::NotLoopback(_)));
    assert!(error.to_string().contains("0.0.0.0:4567"), "{error}");

    let emulator = start(quick()).await;
    let address = emulator.address();
    assert_eq!(emulator.url(), format!("http://{address}"));
    let error = Emulator::start(address, quick()).await.err().unwrap();
    assert!(matches!(error, StartError::InUse(_)));
    assert!(error.to_string().contains(&address.to_string()), "{error}");

    drop(emulator);
    // The listening task ends by itself.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
