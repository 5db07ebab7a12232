//! What a server says when it ends a connection, and whether it may be about a message.

use rumqttc::v5::mqttbytes::v5::DisconnectReasonCode;

/// How the other side ended a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum HungUp {
    #[error("the server ended the connection")]
    Closed,
    #[error("the server ended the connection: {0:?}")]
    Told(DisconnectReasonCode),
    /// In words only: unlike a closed stdout, this broken pipe is not success.
    #[error("the connection was lost: {0}")]
    Broken(String),
}

impl HungUp {
    /// Whether what was sent may be the reason, for all that is known.
    pub(super) fn may_be_about_a_message(error: &anyhow::Error) -> bool {
        use DisconnectReasonCode as Code;
        match error.downcast_ref::<Self>() {
            None => false,
            Some(Self::Closed | Self::Broken(_)) => true,
            Some(Self::Told(code)) => !matches!(
                code,
                Code::ServerBusy
                    | Code::ServerShuttingDown
                    | Code::KeepAliveTimeout
                    | Code::SessionTakenOver
                    | Code::MessageRateTooHigh
                    | Code::UseAnotherServer
                    | Code::ServerMoved
                    | Code::ConnectionRateExceeded
                    | Code::MaximumConnectTime
            ),
        }
    }
}
