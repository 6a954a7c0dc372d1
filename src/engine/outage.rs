//! An attempt without an answer: whether it is the device's own failure, or no request gets an answer and the Region pauses
//! and probes.

use tokio::time::Instant;

use super::region_run::RegionRun;
use super::scope::Describe;
use super::service::Service;
use super::silence::Silence;
use super::work::RowSink;
use crate::domain::device::ChannelName;

impl<S: Service, L: RowSink> RegionRun<S, L> {
    /// After an attempt without an answer: if no other request got one either, the Region pauses until one comes, or until
    /// the silence has lasted too long. Returns whether there was such an outage.
    pub(super) async fn wait_out_outage(&self, name: &ChannelName, begun: Instant) -> bool {
        let link = &self.scope.link;
        if link.answers_since(begun) {
            return link.was_out_since(begun);
        }
        let _only_one = link.probing.lock().await;
        if link.answers_since(begun) || self.scope.is_stopped() {
            return link.was_out_since(begun);
        }
        link.pause();
        let was_out = self.probe(name).await;
        if was_out {
            // Time without answers is not time throttled.
            self.end_throttle_streak();
        }
        link.resume(was_out);
        was_out
    }

    /// Sends Describe until an answer comes, or the run stops. Returns whether there was an outage: the first one got no
    /// answer.
    async fn probe(&self, name: &ChannelName) -> bool {
        let scope = &self.scope;
        let mut silence = Silence::new();
        loop {
            let worker = self.shared.workers.acquire().await;
            let answer = scope.send(Describe(name)).await;
            drop(worker);
            let failure = match answer.result {
                Err(failure) if !failure.is_answered() => failure,
                _ => return scope.end_silence(&mut silence),
            };
            if scope.stop_if_silent_too_long(&mut silence, &failure) {
                break;
            }
            tokio::select! {
                biased;
                () = scope.stopped() => break,
                () = tokio::time::sleep(scope.wait_in_silence(&silence)) => {}
            }
        }
        true
    }
}
