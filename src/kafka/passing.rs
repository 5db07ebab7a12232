//! Errors that pass by themselves.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Whether a leader is being chosen, or a broker has not heard yet who leads: the protocol's
/// retriable errors (KIP-320 for the two about epochs).
pub(super) fn passes(error: &KafkaError) -> bool {
    error.rdkafka_error_code().is_some_and(|code| is_passing(code) && !is_late(code))
}

/// As [`passes`], by code; that an answer was late passes, too.
pub(super) fn is_passing(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    is_late(code)
        || matches!(
            code,
            Code::FencedLeaderEpoch
                | Code::UnknownLeaderEpoch
                | Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::ReplicaNotAvailable
                | Code::OffsetNotAvailable
                | Code::UnknownTopicOrPartition
                | Code::KafkaStorageError
                | Code::BrokerTransportFailure
                | Code::CoordinatorLoadInProgress
                | Code::CoordinatorNotAvailable
                | Code::NotCoordinator
                | Code::RebalanceInProgress
                | Code::WaitingForCoordinator
        )
}

fn is_late(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::OperationTimedOut | Code::RequestTimedOut | Code::MessageTimedOut | Code::TimedOutQueue)
}
