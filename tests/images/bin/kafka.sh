#!/bin/bash
# Kafka's scripts under their own names, with the variables that its kafka-run-class.sh reads.
set -e
name=$(basename "$0" .sh)
home=$(dirname "$(dirname "$(readlink -f "$0")")")
heap=-Xmx256M
case $name in
    kafka-server-start)
        class=kafka.Kafka
        heap='-Xmx1G -Xms1G'
        # As a child of Kafka's script would: the log directory is made, and a read-only one is an error.
        mkdir -p "${LOG_DIR:-$home/logs}"
        [[ ${EXTRA_ARGS-'-name kafkaServer -loggc'} != *-loggc* ]] ||
            KAFKA_GC_LOG_OPTS="-Xlog:gc*:file=${LOG_DIR:-$home/logs}/kafkaServer-gc.log"
        ;;
    kafka-topics) class=org.apache.kafka.tools.TopicCommand ;;
    kafka-configs) class=kafka.admin.ConfigCommand ;;
    kafka-broker-api-versions) class=kafka.admin.BrokerApiVersionsCommand ;;
    kafka-console-producer) class=kafka.tools.ConsoleProducer ;;
    kafka-console-consumer) class=org.apache.kafka.tools.consumer.ConsoleConsumer ;;
    kafka-verifiable-producer) class=org.apache.kafka.tools.VerifiableProducer ;;
    kafka-consumer-groups) class=org.apache.kafka.tools.consumer.group.ConsumerGroupCommand ;;
    kafka-get-offsets) class=org.apache.kafka.tools.GetOffsetShell ;;
    *)
        echo "stand-in: no $name" >&2
        exit 2
        ;;
esac
# shellcheck disable=SC2086
exec java ${KAFKA_HEAP_OPTS:-$heap} ${KAFKA_JVM_PERFORMANCE_OPTS:--XX:+UseSerialGC -XX:TieredStopAtLevel=1} \
    $KAFKA_GC_LOG_OPTS "-Dkafka.logs.dir=${LOG_DIR:-$home/logs}" \
    ${KAFKA_LOG4J_OPTS:--Dlog4j.configuration=file:$home/config/tools-log4j.properties} \
    -cp "$home/libs/*" $KAFKA_OPTS $class "$@"
