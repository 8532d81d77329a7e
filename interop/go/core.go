// amqp091-go: the ten core scenarios, each with queues of its own.
//
//	go run . amqp://guest:guest@127.0.0.1:5672/
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	patience = 10 * time.Second
	replyTo  = "amq.rabbitmq.reply-to"
)

// scenario fails by panicking; main tells which one did, and why.
type scenario struct {
	name string
	run  func(*amqp.Connection)
}

func main() {
	if len(os.Args) != 2 {
		fmt.Println("Error: one argument, the broker's URL")
		os.Exit(2)
	}
	connection := must(amqp.Dial(os.Args[1]))
	defer connection.Close()
	scenarios := []scenario{
		{"confirms and acks", confirmsAndAcks},
		{"mandatory returns", mandatoryReturns},
		{"requeued is redelivered", requeuedIsRedelivered},
		{"prefetch limits", prefetchLimits},
		{"topic routes", topicRoutes},
		{"headers keep their types", headersKeepTheirTypes},
		{"direct reply-to", directReplyTo},
		{"refusal closes only the channel", refusalClosesOnlyTheChannel},
		{"large and empty bodies", largeAndEmptyBodies},
		{"consumer learns of the queue's end", consumerLearnsOfTheQueuesEnd},
	}
	for _, each := range scenarios {
		if failure := attempt(each, connection); failure != nil {
			fmt.Printf("FAIL  %s\nError: %s: %v\n", each.name, each.name, failure)
			os.Exit(1)
		}
		fmt.Printf("ok    %s\n", each.name)
	}
}

func attempt(each scenario, connection *amqp.Connection) (failure any) {
	defer func() { failure = recover() }()
	each.run(connection)
	return nil
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func equal(what string, actual, expected any) {
	if !reflect.DeepEqual(actual, expected) {
		panic(fmt.Sprintf("%s: %#v, not %#v", what, actual, expected))
	}
}

func next[T any](what string, arrivals <-chan T) T {
	select {
	case value, open := <-arrivals:
		if !open {
			panic(what + ": the channel was closed instead")
		}
		return value
	case <-time.After(patience):
		panic(fmt.Sprintf("%s: not within %v", what, patience))
	}
}

func newName(subject string) string {
	random := make([]byte, 12)
	must(rand.Read(random))
	return fmt.Sprintf("interop-go-%s-%x", subject, random)
}

func exclusiveQueue(channel *amqp.Channel, subject string) string {
	return must(channel.QueueDeclare(newName(subject), false, false, true, false, nil)).Name
}

func publish(channel *amqp.Channel, exchange, key string, message amqp.Publishing) {
	check(channel.PublishWithContext(context.Background(), exchange, key, false, false, message))
}

func text(body string) amqp.Publishing {
	return amqp.Publishing{ContentType: "text/plain", Body: []byte(body)}
}

func take(channel *amqp.Channel, queue string) (amqp.Delivery, bool) {
	delivery, found, err := channel.Get(queue, true)
	check(err)
	return delivery, found
}

func messageCount(channel *amqp.Channel, queue string) int {
	return must(channel.QueueDeclarePassive(queue, false, false, true, false, nil)).Messages
}

func confirmsAndAcks(connection *amqp.Connection) {
	channel := must(connection.Channel())
	defer channel.Close()
	queue := exclusiveQueue(channel, "confirms")
	check(channel.Confirm(false))
	confirms := channel.NotifyPublish(make(chan amqp.Confirmation, 5))
	for number := range 5 {
		message := text(fmt.Sprintf("job %d", number))
		message.DeliveryMode = amqp.Persistent
		publish(channel, "", queue, message)
	}
	for number := range 5 {
		confirm := next("a confirm", confirms)
		equal("confirm", confirm, amqp.Confirmation{DeliveryTag: uint64(number + 1), Ack: true})
	}
	equal("ready", messageCount(channel, queue), 5)
	deliveries := must(channel.Consume(queue, "", false, false, false, false, nil))
	for number := range 5 {
		delivery := next("a delivery", deliveries)
		equal("body", string(delivery.Body), fmt.Sprintf("job %d", number))
		equal("delivery mode", delivery.DeliveryMode, amqp.Persistent)
		check(delivery.Ack(false))
	}
}

func mandatoryReturns(connection *amqp.Connection) {
	channel := must(connection.Channel())
	defer channel.Close()
	check(channel.Confirm(false))
	returns := channel.NotifyReturn(make(chan amqp.Return, 1))
	confirms := channel.NotifyPublish(make(chan amqp.Confirmation, 1))
	check(channel.PublishWithContext(
		context.Background(), "", newName("absent"), true, false, text("lost")))
	equal("confirm", next("the confirm", confirms).Ack, true)
	returned := next("the return", returns)
	equal("reply code", returned.ReplyCode, uint16(312))
	equal("reply text", returned.ReplyText, "NO_ROUTE")
	equal("body", string(returned.Body), "lost")
}

func requeuedIsRedelivered(connection *amqp.Connection) {
	channel := must(connection.Channel())
	defer channel.Close()
	queue := exclusiveQueue(channel, "requeue")
	publish(channel, "", queue, text("first"))
	publish(channel, "", queue, text("second"))
	delivery, found, err := channel.Get(queue, false)
	check(err)
	equal("found", found, true)
	equal("redelivered", delivery.Redelivered, false)
	equal("left", delivery.MessageCount, uint32(1))
	check(delivery.Nack(false, true))
	again, found := take(channel, queue)
	equal("found again", found, true)
	equal("body", string(again.Body), "first")
	equal("redelivered", again.Redelivered, true)
}

func prefetchLimits(connection *amqp.Connection) {
	channel := must(connection.Channel())
	defer channel.Close()
	queue := exclusiveQueue(channel, "prefetch")
	check(channel.Qos(2, 0, false))
	for number := range 3 {
		publish(channel, "", queue, text(strconv.Itoa(number)))
	}
	deliveries := must(channel.Consume(queue, "", false, false, false, false, nil))
	first := next("the first of two", deliveries)
	next("the second of two", deliveries)
	equal("ready", messageCount(channel, queue), 1)
	check(first.Ack(false))
	equal("body", string(next("the third, after an ack", deliveries).Body), "2")
}

func topicRoutes(connection *amqp.Connection) {
	channel := must(connection.Channel())
	defer channel.Close()
	exchange := newName("topic")
	check(channel.ExchangeDeclare(exchange, "topic", false, true, false, false, nil))
	expected := map[string][]string{
		"*.error": {"a.error"}, "a.#": {"a", "a.error", "a.b.c"}, "#.c": {"a.b.c"},
	}
	queues := map[string]string{}
	for pattern := range expected {
		queues[pattern] = exclusiveQueue(channel, "topic")
		check(channel.QueueBind(queues[pattern], pattern, exchange, false, nil))
	}
	for _, key := range []string{"a", "b", "a.error", "a.b.c"} {
		publish(channel, exchange, key, text(key))
	}
	for pattern, keys := range expected {
		taken := []string{}
		for delivery, found := take(channel, queues[pattern]); found; {
			taken = append(taken, string(delivery.Body))
			delivery, found = take(channel, queues[pattern])
		}
		equal(pattern, taken, keys)
	}
}

func headersKeepTheirTypes(connection *amqp.Connection) {
	channel := must(connection.Channel())
	defer channel.Close()
	queue := exclusiveQueue(channel, "headers")
	headers := amqp.Table{
		"text":     "grüße",
		"byte":     byte(255),
		"int8":     int8(-7),
		"int16":    int16(-300),
		"int32":    int32(70_000),
		"int64":    int64(1) << 40,
		"float32":  float32(1.5),
		"float64":  0.1,
		"decimal":  amqp.Decimal{Scale: 2, Value: 314},
		"time":     time.Unix(1_700_000_000, 0),
		"yes":      true,
		"nothing":  nil,
		"raw":      []byte{0, 1, 255},
		"list":     []any{int32(1), "two", []any{false}},
		"table":    amqp.Table{"deep": amqp.Table{"deeper": "x"}},
		"no-table": amqp.Table{},
	}
	sent := amqp.Publishing{
		Headers: headers, ContentType: "application/json", CorrelationId: "c1", MessageId: "m1",
		Timestamp: time.Unix(1_700_000_000, 0), Type: "kind", AppId: "interop", Priority: 3,
	}
	publish(channel, "", queue, sent)
	delivery, found := take(channel, queue)
	equal("found", found, true)
	for name, value := range headers {
		equal("header "+name, delivery.Headers[name], value)
	}
	equal("headers", len(delivery.Headers), len(headers))
	equal("content type", delivery.ContentType, sent.ContentType)
	equal("correlation id", delivery.CorrelationId, sent.CorrelationId)
	equal("timestamp", delivery.Timestamp.Unix(), sent.Timestamp.Unix())
	equal("priority", delivery.Priority, sent.Priority)
}

func directReplyTo(connection *amqp.Connection) {
	server := must(connection.Channel())
	defer server.Close()
	queue := exclusiveQueue(server, "rpc")
	requests := must(server.Consume(queue, "", true, false, false, false, nil))
	client := must(connection.Channel())
	defer client.Close()
	replies := must(client.Consume(replyTo, "", true, false, false, false, nil))
	call := text("21")
	call.ReplyTo, call.CorrelationId = replyTo, "call 1"
	publish(client, "", queue, call)

	request := next("the request", requests)
	if !strings.HasPrefix(request.ReplyTo, replyTo+".") {
		panic("the broker did not fill in " + request.ReplyTo)
	}
	answer := text(strconv.Itoa(2 * must(strconv.Atoi(string(request.Body)))))
	answer.CorrelationId = request.CorrelationId
	publish(server, "", request.ReplyTo, answer)
	reply := next("the reply", replies)
	equal("reply", string(reply.Body), "42")
	equal("correlation id", reply.CorrelationId, "call 1")
}

func refusalClosesOnlyTheChannel(connection *amqp.Connection) {
	doomed := must(connection.Channel())
	closed := doomed.NotifyClose(make(chan *amqp.Error, 1))
	absent := newName("absent")
	_, err := doomed.QueueDeclarePassive(absent, false, false, false, false, nil)
	var refusal *amqp.Error
	if !errors.As(err, &refusal) {
		panic(fmt.Sprintf("not refused: %v", err))
	}
	equal("code", refusal.Code, amqp.NotFound)
	equal("text", refusal.Reason, fmt.Sprintf("NOT_FOUND - no queue '%s' in vhost '/'", absent))
	equal("by the server", refusal.Server, true)
	equal("told", next("the channel's end", closed).Code, amqp.NotFound)
	channel := must(connection.Channel())
	defer channel.Close()
	exclusiveQueue(channel, "after-refusal")
}

func largeAndEmptyBodies(connection *amqp.Connection) {
	channel := must(connection.Channel())
	defer channel.Close()
	queue := exclusiveQueue(channel, "bodies")
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	publish(channel, "", queue, amqp.Publishing{Body: large})
	publish(channel, "", queue, amqp.Publishing{})
	first, _ := take(channel, queue)
	equal("large body arrived whole", bytes.Equal(first.Body, large), true)
	second, found := take(channel, queue)
	equal("empty body found", found, true)
	equal("its length", len(second.Body), 0)
	_, found = take(channel, queue)
	equal("a third", found, false)
}

func consumerLearnsOfTheQueuesEnd(connection *amqp.Connection) {
	channel := must(connection.Channel())
	defer channel.Close()
	queue := must(channel.QueueDeclare("", false, false, true, false, nil)).Name
	equal("named by the server", strings.HasPrefix(queue, "amq.gen-"), true)
	cancels := channel.NotifyCancel(make(chan string, 1))
	must(channel.Consume(queue, "the-consumer", false, false, false, false, nil))
	must(channel.QueueDelete(queue, false, false, false))
	equal("cancelled", next("the broker's cancel", cancels), "the-consumer")
}
