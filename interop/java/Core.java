// The Java client: the ten core scenarios, each with queues of its own.
//
//   java -cp 'lib/*' Core.java amqp://guest:guest@127.0.0.1:5672/

import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

public final class Core {
    private static final long PATIENCE_MS = 10_000;
    private static final String REPLY_TO = "amq.rabbitmq.reply-to";

    private interface Scenario {
        void run(Connection connection) throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        // To this client a lone slash names the virtual host "".
        factory.setUri(arguments[0].replaceFirst("(//[^/]+)/$", "$1"));
        factory.setAutomaticRecoveryEnabled(false);
        Map<String, Scenario> scenarios = new LinkedHashMap<>();
        scenarios.put("confirms and acks", Core::confirmsAndAcks);
        scenarios.put("mandatory returns", Core::mandatoryReturns);
        scenarios.put("requeued is redelivered", Core::requeuedIsRedelivered);
        scenarios.put("prefetch limits", Core::prefetchLimits);
        scenarios.put("topic routes", Core::topicRoutes);
        scenarios.put("headers keep their types", Core::headersKeepTheirTypes);
        scenarios.put("direct reply-to", Core::directReplyTo);
        scenarios.put("refusal closes only the channel", Core::refusalClosesOnlyTheChannel);
        scenarios.put("large and empty bodies", Core::largeAndEmptyBodies);
        scenarios.put("consumer learns of the queue's end", Core::consumerLearnsOfTheQueuesEnd);
        int status = 0;
        try (Connection connection = factory.newConnection("interop java")) {
            for (Map.Entry<String, Scenario> each : scenarios.entrySet()) {
                try {
                    each.getValue().run(connection);
                    System.out.println("ok    " + each.getKey());
                } catch (Exception | AssertionError failure) {
                    failure.printStackTrace(System.out);
                    System.out.println("Error: " + each.getKey() + ": " + failure.getMessage());
                    status = 1;
                    break;
                }
            }
        }
        System.exit(status);
    }

    private static void confirmsAndAcks(Connection connection) throws Exception {
        try (Channel channel = connection.createChannel()) {
            String queue = exclusiveQueue(channel, "confirms");
            channel.confirmSelect();
            for (int number = 0; number < 5; number++) {
                byte[] body = bytes("job " + number);
                channel.basicPublish("", queue, MessageProperties.PERSISTENT_TEXT_PLAIN, body);
            }
            equal("all confirmed", channel.waitForConfirms(PATIENCE_MS), true);
            equal("ready", channel.messageCount(queue), 5L);
            BlockingQueue<Delivery> inbox = consume(channel, queue, false);
            for (int number = 0; number < 5; number++) {
                Delivery delivery = next("a delivery", inbox);
                equal("body", text(delivery.getBody()), "job " + number);
                equal("delivery mode", delivery.getProperties().getDeliveryMode(), 2);
                channel.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
            }
            equal("consumers", channel.consumerCount(queue), 1L);
        }
    }

    private static void mandatoryReturns(Connection connection) throws Exception {
        try (Channel channel = connection.createChannel()) {
            BlockingQueue<String> events = new LinkedBlockingQueue<>();
            channel.addReturnListener(
                    returned -> events.add("returned " + returned.getReplyCode() + " "
                            + returned.getReplyText() + " " + text(returned.getBody())));
            channel.addConfirmListener(
                    (tag, multiple) -> events.add("confirmed " + tag),
                    (tag, multiple) -> events.add("nacked " + tag));
            channel.confirmSelect();
            channel.basicPublish("", newName("absent"), true, new BasicProperties(), bytes("lost"));
            equal("first", next("the return", events), "returned 312 NO_ROUTE lost");
            equal("then", next("the confirm", events), "confirmed 1");
        }
    }

    private static void requeuedIsRedelivered(Connection connection) throws Exception {
        try (Channel channel = connection.createChannel()) {
            String queue = exclusiveQueue(channel, "requeue");
            channel.basicPublish("", queue, null, bytes("first"));
            channel.basicPublish("", queue, null, bytes("second"));
            GetResponse response = channel.basicGet(queue, false);
            equal("redelivered", response.getEnvelope().isRedeliver(), false);
            equal("left", response.getMessageCount(), 1);
            channel.basicNack(response.getEnvelope().getDeliveryTag(), false, true);
            GetResponse again = channel.basicGet(queue, true);
            equal("body", text(again.getBody()), "first");
            equal("redelivered", again.getEnvelope().isRedeliver(), true);
        }
    }

    private static void prefetchLimits(Connection connection) throws Exception {
        try (Channel channel = connection.createChannel()) {
            String queue = exclusiveQueue(channel, "prefetch");
            channel.basicQos(2);
            for (int number = 0; number < 3; number++) {
                channel.basicPublish("", queue, null, bytes("" + number));
            }
            BlockingQueue<Delivery> inbox = consume(channel, queue, false);
            Delivery first = next("the first of two", inbox);
            next("the second of two", inbox);
            equal("ready", channel.messageCount(queue), 1L);
            equal("delivered beyond the prefetch", inbox.size(), 0);
            channel.basicAck(first.getEnvelope().getDeliveryTag(), false);
            equal("body", text(next("the third, after an ack", inbox).getBody()), "2");
        }
    }

    private static void topicRoutes(Connection connection) throws Exception {
        try (Channel channel = connection.createChannel()) {
            String exchange = newName("topic");
            channel.exchangeDeclare(exchange, "topic", false, true, null);
            Map<String, List<String>> expected = Map.of(
                    "*.error", List.of("a.error"),
                    "a.#", List.of("a", "a.error", "a.b.c"),
                    "#.c", List.of("a.b.c"));
            Map<String, String> queues = new HashMap<>();
            for (String pattern : expected.keySet()) {
                queues.put(pattern, exclusiveQueue(channel, "topic"));
                channel.queueBind(queues.get(pattern), exchange, pattern);
            }
            for (String key : List.of("a", "b", "a.error", "a.b.c")) {
                channel.basicPublish(exchange, key, null, bytes(key));
            }
            for (String pattern : expected.keySet()) {
                List<String> taken = new ArrayList<>();
                GetResponse response;
                while ((response = channel.basicGet(queues.get(pattern), true)) != null) {
                    taken.add(text(response.getBody()));
                }
                equal(pattern, taken, expected.get(pattern));
            }
        }
    }

    private static void headersKeepTheirTypes(Connection connection) throws Exception {
        try (Channel channel = connection.createChannel()) {
            String queue = exclusiveQueue(channel, "headers");
            Map<String, Object> headers = new HashMap<>();
            headers.put("byte", (byte) -7);
            headers.put("short", (short) -300);
            headers.put("int", 70_000);
            headers.put("long", 1L << 40);
            headers.put("float", 1.5f);
            headers.put("double", 0.1);
            headers.put("decimal", new BigDecimal("3.14"));
            headers.put("date", new Date(1_700_000_000_000L));
            headers.put("yes", true);
            headers.put("nothing", null);
            headers.put("list", Arrays.asList(1, 2L, List.of(false)));
            headers.put("table", Map.of("deep", Map.of("deeper", 1)));
            BasicProperties sent = new BasicProperties.Builder()
                    .headers(headers)
                    .contentType("application/json")
                    .correlationId("c1")
                    .messageId("m1")
                    .timestamp(new Date(1_700_000_000_000L))
                    .type("kind")
                    .appId("interop")
                    .priority(3)
                    .build();
            channel.basicPublish("", queue, sent, new byte[0]);
            BasicProperties received = channel.basicGet(queue, true).getProps();
            equal("headers", received.getHeaders(), headers);
            equal("properties", received, sent);
        }
    }

    private static void directReplyTo(Connection connection) throws Exception {
        try (Channel server = connection.createChannel();
                Channel client = connection.createChannel()) {
            String queue = exclusiveQueue(server, "rpc");
            BlockingQueue<Delivery> requests = consume(server, queue, true);
            BlockingQueue<Delivery> replies = consume(client, REPLY_TO, true);
            BasicProperties call =
                    new BasicProperties.Builder().replyTo(REPLY_TO).correlationId("call 1").build();
            client.basicPublish("", queue, call, bytes("21"));

            Delivery request = next("the request", requests);
            String address = request.getProperties().getReplyTo();
            equal("address filled in", address.startsWith(REPLY_TO + "."), true);
            BasicProperties answer = new BasicProperties.Builder()
                    .correlationId(request.getProperties().getCorrelationId())
                    .build();
            String doubled = "" + 2 * Integer.parseInt(text(request.getBody()));
            server.basicPublish("", address, answer, bytes(doubled));
            Delivery reply = next("the reply", replies);
            equal("reply", text(reply.getBody()), "42");
            equal("correlation id", reply.getProperties().getCorrelationId(), "call 1");
        }
    }

    private static void refusalClosesOnlyTheChannel(Connection connection) throws Exception {
        Channel doomed = connection.createChannel();
        BlockingQueue<ShutdownSignalException> closed = new LinkedBlockingQueue<>();
        doomed.addShutdownListener(closed::add);
        String absent = newName("absent");
        try {
            doomed.queueDeclarePassive(absent);
            throw new AssertionError("a queue that does not exist was found");
        } catch (IOException expected) {
            ShutdownSignalException signal = next("the channel's end", closed);
            equal("not the connection", signal.isHardError(), false);
            String reason = signal.getReason().toString();
            String refusal = "reply-code=404, reply-text=NOT_FOUND - no queue '" + absent
                    + "' in vhost '/', class-id=50, method-id=10";
            equal("refusal in " + reason, reason.contains(refusal), true);
        }
        try (Channel channel = connection.createChannel()) {
            exclusiveQueue(channel, "after-refusal");
        }
    }

    private static void largeAndEmptyBodies(Connection connection) throws Exception {
        try (Channel channel = connection.createChannel()) {
            String queue = exclusiveQueue(channel, "bodies");
            byte[] large = bytes("0123456789abcdef".repeat(1 << 16));
            channel.basicPublish("", queue, null, large);
            channel.basicPublish("", queue, null, new byte[0]);
            byte[] first = channel.basicGet(queue, true).getBody();
            equal("large body arrived whole", Arrays.equals(first, large), true);
            equal("empty body", channel.basicGet(queue, true).getBody().length, 0);
            equal("a third", channel.basicGet(queue, true), null);
        }
    }

    private static void consumerLearnsOfTheQueuesEnd(Connection connection) throws Exception {
        try (Channel channel = connection.createChannel()) {
            String queue = channel.queueDeclare().getQueue();
            equal("named by the server", queue.startsWith("amq.gen-"), true);
            BlockingQueue<String> cancels = new LinkedBlockingQueue<>();
            channel.basicConsume(
                    queue, false, "the-consumer", (tag, delivery) -> {}, cancels::add);
            channel.queueDelete(queue);
            equal("cancelled", next("the broker's cancel", cancels), "the-consumer");
        }
    }

    private static BlockingQueue<Delivery> consume(Channel channel, String queue, boolean autoAck)
            throws IOException {
        BlockingQueue<Delivery> inbox = new LinkedBlockingQueue<>();
        channel.basicConsume(queue, autoAck, (tag, delivery) -> inbox.add(delivery), tag -> {});
        return inbox;
    }

    private static <T> T next(String what, BlockingQueue<T> arrivals) throws InterruptedException {
        T arrived = arrivals.poll(PATIENCE_MS, TimeUnit.MILLISECONDS);
        if (arrived == null) {
            throw new AssertionError(what + ": not within " + PATIENCE_MS + " ms");
        }
        return arrived;
    }

    private static void equal(String what, Object actual, Object expected) {
        if (!Objects.equals(actual, expected)) {
            throw new AssertionError(what + ": " + actual + ", not " + expected);
        }
    }

    private static String exclusiveQueue(Channel channel, String subject) throws IOException {
        return channel.queueDeclare(newName(subject), false, true, false, null).getQueue();
    }

    private static String newName(String subject) {
        return "interop-java-" + subject + "-" + UUID.randomUUID();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] body) {
        return new String(body, StandardCharsets.UTF_8);
    }
}
