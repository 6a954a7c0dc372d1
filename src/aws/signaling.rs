//! The requests that a camera sends before it connects: the channel's signaling endpoints, and their STUN and TURN
//! servers. The servers' credentials are not read.

use std::pin::pin;

use aws_sdk_kinesisvideo::types::{
    ChannelProtocol, ChannelRole, SingleMasterChannelEndpointConfiguration,
};
use aws_sdk_kinesisvideosignaling::Client;
use aws_sdk_kinesisvideosignaling::types::IceServer;

use super::endpoint::Endpoint;
use super::operations::AwsService;
use crate::domain::device::{ChannelArn, shown};
use crate::domain::service::{Answer, Failure, FailureKind, SignalingEndpoints, classify};

impl AwsService {
    /// `GetSignalingChannelEndpoint`, for WSS and HTTPS as MASTER.
    pub(super) async fn endpoints(&self, arn: &ChannelArn) -> Answer<SignalingEndpoints> {
        let configuration = SingleMasterChannelEndpointConfiguration::builder()
            .protocols(ChannelProtocol::Wss)
            .protocols(ChannelProtocol::Https)
            .role(ChannelRole::Master)
            .build();
        self.attempt(
            |client| {
                client
                    .get_signaling_channel_endpoint()
                    .channel_arn(arn.as_str())
                    .single_master_channel_endpoint_configuration(configuration)
                    .send()
            },
            |output, _| {
                let of = |protocol: &ChannelProtocol| {
                    let list = output.resource_endpoint_list();
                    list.iter()
                        .find(|endpoint| endpoint.protocol() == Some(protocol))
                        .and_then(|endpoint| endpoint.resource_endpoint())
                        .map(Into::into)
                        .ok_or_else(|| format!("the answer holds no {protocol} endpoint"))
                };
                Ok(SignalingEndpoints {
                    wss: of(&ChannelProtocol::Wss)?,
                    https: of(&ChannelProtocol::Https)?,
                })
            },
        )
        .await
    }

    /// `GetIceServerConfig` at the channel's HTTPS endpoint: the servers' URIs.
    pub(super) async fn servers(&self, arn: &ChannelArn, https: &str) -> Answer<Vec<Box<str>>> {
        // Credentials are sent there, so the endpoint must meet the rules for a configured endpoint.
        if let Err(error) = Endpoint::parse(https, "the channel's HTTPS endpoint") {
            let why = format!("the endpoint {} is not used: {error}", shown(https));
            let code = classify::UNREADABLE_ANSWER;
            return Failure::new(FailureKind::Rejected, code, why).into();
        }
        let client = self.signaling_client(https);
        let request = client
            .get_ice_server_config()
            .channel_arn(arn.as_str())
            .send();
        self.attempt_by(pin!(request), |output, _| {
            let servers = output.ice_server_list().iter();
            Ok(servers
                .flat_map(IceServer::uris)
                .map(|uri| classify::message_text(uri))
                .collect())
        })
        .await
    }

    fn signaling_client(&self, https: &str) -> Client {
        let (config, http) = self.signaling_config();
        let config = aws_sdk_kinesisvideosignaling::config::Builder::from(&config)
            .region(aws_config::Region::new(self.region().as_str().to_owned()))
            .http_client(http)
            .endpoint_url(https);
        Client::from_conf(config.build())
    }
}
