import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** A worker of dalsegno's wire protocol (docs/protocol-worker.md), which knows AMQP and JSON alone. */
public final class Worker {
    /** Thrown by an activity: the type is what retry policies look at. Others have their class's name as type. */
    public static final class ActivityException extends RuntimeException {
        final String type;
        final boolean nonRetryable;

        public ActivityException(String type, String message, boolean nonRetryable) {
            super(message);
            this.type = type;
            this.nonRetryable = nonRetryable;
        }
    }

    /** The work. Its thread is interrupted when the workflow wants it to stop, or it takes too long. */
    public interface Activity {
        Object run(Attempt attempt) throws Exception;
    }

    private final String url;
    private final String taskQueue;
    private final Map<String, Activity> activities;
    private final int slots;
    private final Semaphore free;
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor();
    private final Map<String, Attempt> attempts = new ConcurrentHashMap<>();
    private final Set<String> settled = ConcurrentHashMap.newKeySet(); // done, but not acknowledged on a lost channel
    private final String name = "dalsegno.worker." + UUID.randomUUID();
    private int lives;
    private volatile String ownQueue;
    private volatile Channel channel; // that tasks come from
    private volatile Wire wire; // null while there is no connection

    public Worker(String url, String taskQueue, Map<String, Activity> activities, int slots) {
        this.url = url;
        this.taskQueue = taskQueue;
        this.activities = activities;
        this.slots = slots;
        this.free = new Semaphore(slots, true);
    }

    /** Serves for ever; a connection that is lost is made anew. */
    public void run() throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(url);
        factory.setAutomaticRecoveryEnabled(false); // what is at work has to be announced anew: see serve
        for (long wait = 100; ; wait = Math.min(2 * wait, 10_000)) {
            try (Connection connection = factory.newConnection()) {
                CountDownLatch lost = new CountDownLatch(1);
                connection.addShutdownListener(cause -> lost.countDown());
                serve(connection);
                wait = 100;
                lost.await();
            } catch (IOException | TimeoutException | RuntimeException error) {
                System.err.println("connection: " + error);
            }
            wire = null;
            Thread.sleep(wait);
        }
    }

    private void serve(Connection connection) throws IOException {
        Wire fresh = new Wire(connection.createChannel());
        Channel tasks = connection.createChannel();
        String queue = "dalsegno.tasks." + taskQueue;
        // The broker may hold the queue of the connection before; what comes before "~" is the same process.
        ownQueue = lives++ == 0 ? name : name + "~" + (lives - 1);
        tasks.basicQos(slots);
        tasks.queueDeclare(queue, true, false, false, Wire.TASK_QUEUE_ARGUMENTS);
        tasks.queueDeclare(ownQueue, false, true, false, null);
        tasks.basicConsume(ownQueue, true, (tag, message) -> onDirective(message), tag -> { });
        synchronized (this) {
            channel = tasks;
            wire = fresh;
        }
        attempts.values().stream().filter(each -> each.saidSo).forEach(each -> threads.execute(each::started));
        // A queue that was deleted cancels its consumer: declare it anew.
        tasks.basicConsume(queue, false, (tag, message) -> onTask(tasks, message), tag -> connection.abort());
        tasks.addShutdownListener(cause -> connection.abort());
    }

    private void onDirective(Delivery message) {
        JsonObject word = Wire.parse(message.getBody());
        for (Attempt each : attempts.values()) {
            boolean isIt = List.of("run_id", "activity_id", "attempt").stream().allMatch(f -> word.get(f).equals(each.task.get(f)));
            if (!isIt || (word.has("token") && !word.get("token").equals(each.task.get("token")))) {
                continue;
            }
            if ("activity.cancel".equals(message.getProperties().getType())) {
                each.cancel();
            } else if ("activity.grant".equals(message.getProperties().getType())) {
                each.grant.complete(word.get("granted").getAsBoolean());
            }
        }
    }

    private synchronized void onTask(Channel from, Delivery message) throws IOException {
        long tag = message.getEnvelope().getDeliveryTag();
        Attempt attempt;
        try {
            attempt = new Attempt(Wire.parse(message.getBody()), from);
        } catch (RuntimeException error) {
            Map<String, Object> headers = Map.of("x-dalsegno-reason", "no task that a worker can read: " + error.getMessage());
            Wire known = wire;
            threads.submit(() -> {
                known.publish("dalsegno.dead", "invalid", message.getProperties().builder().headers(headers), message.getBody());
                from.basicAck(tag, false);
                return null;
            });
            return;
        }
        if (settled.remove(attempt.key)) {
            from.basicAck(tag, false);
            return;
        }
        Attempt known = attempts.putIfAbsent(attempt.key, attempt);
        Attempt its = known == null ? attempt : known; // what works is not run twice, but acknowledged with the first
        if (its.from != from) {
            its.from = from;
            its.deliveries.clear();
        }
        its.deliveries.add(tag);
        if (known == null) {
            threads.execute(attempt);
        }
    }

    /** One attempt of one activity. */
    public final class Attempt implements Runnable {
        /** As docs/protocol.cddl has it: attempt, idempotency_key, fence, heartbeat_details, ... */
        public final JsonObject task;

        private final String key;
        private Channel from; // that has delivered it last: the only one that can acknowledge it
        private final List<Long> deliveries = new ArrayList<>(); // not acknowledged yet
        private final CompletableFuture<Boolean> grant = new CompletableFuture<>();
        private Thread thread; // that works on it
        private volatile boolean saidSo;
        private volatile boolean isCanceled;
        private volatile JsonObject beat; // not sent yet

        private Attempt(JsonObject task, Channel from) {
            this.task = task;
            this.from = from;
            boolean isOurs = task.get("exchange").getAsString().equals("dalsegno.results");
            if (!isOurs || !task.get("routing_key").getAsString().matches("slot\\.\\d+")) {
                throw new IllegalArgumentException("its address is no workflow's");
            }
            key = task.get("run_id") + " " + task.get("activity_id") + " " + task.get("attempt") + " " + task.get("token");
        }

        public <T> T argument(int index, Class<T> type) {
            return Wire.decode(task.getAsJsonArray("args").get(index), type);
        }

        /** How far the work is; sent at a third of the heartbeat timeout, with the newest details. */
        public void heartbeat(Object details) {
            JsonObject fields = new JsonObject();
            if (details != null) {
                fields.add("details", Wire.JSON.toJsonTree(details));
            }
            beat = fields;
        }

        private long microseconds(String field, long otherwise) {
            return task.has(field) ? task.get(field).getAsLong() : otherwise;
        }

        @Override
        public void run() {
            free.acquireUninterruptibly();
            try {
                boolean late = !task.has("acknowledge") || task.get("acknowledge").getAsString().equals("late");
                if (!late) {
                    boolean granted = isGranted();
                    if (!granted && isCanceled) {
                        outcome("activity.canceled", new JsonObject());
                    }
                    acknowledge(!granted); // from here on the engine notices by the heartbeats if we die
                    if (!granted) {
                        return;
                    }
                }
                perform();
                acknowledge(true);
            } catch (Exception error) {
                System.err.println("attempt: " + error);
            } finally {
                free.release();
            }
        }

        private boolean isGranted() throws Exception {
            for (long wait = 5; ; wait = Math.min(2 * wait, 60)) {
                started();
                try {
                    return grant.get(wait, TimeUnit.SECONDS);
                } catch (TimeoutException silence) {
                    continue; // asked again
                }
            }
        }

        private void perform() throws Exception {
            long third = Math.max(1, microseconds("heartbeat_timeout", 90_000_000) / 3);
            boolean byItself = task.has("auto_heartbeat") && task.get("auto_heartbeat").getAsBoolean();
            ScheduledFuture<?> announcing = clock.schedule(() -> threads.execute(this::started), 1, TimeUnit.SECONDS);
            ScheduledFuture<?> beating = clock.scheduleAtFixedRate(() -> {
                JsonObject newest = beat;
                beat = null;
                if (newest != null || byItself) {
                    threads.execute(() -> say("activity.heartbeat", newest == null ? new JsonObject() : newest));
                }
            }, third, third, TimeUnit.MICROSECONDS);
            JsonObject fields = new JsonObject();
            String type = "activity.failed";
            Future<JsonElement> working = null;
            try {
                working = threads.submit(this::call);
                fields.add("result", working.get(microseconds("start_to_close", Long.MAX_VALUE), TimeUnit.MICROSECONDS));
                type = "activity.completed";
            } catch (TimeoutException outlasted) {
                working.cancel(true);
                fields.add("failure", failure("The attempt took too long.", "kind", "timed_out"));
                fields.getAsJsonObject("failure").addProperty("timeout_type", "start_to_close");
            } catch (ExecutionException | RuntimeException raised) {
                Throwable error = raised instanceof ExecutionException ? raised.getCause() : raised;
                if (isCanceled && error instanceof InterruptedException) { // and not before it has stopped
                    outcome("activity.canceled", beat == null ? new JsonObject() : beat);
                    return;
                }
                boolean typed = error instanceof ActivityException;
                String its = typed ? ((ActivityException) error).type : error.getClass().getSimpleName();
                fields.add("failure", failure(String.valueOf(error.getMessage()), "type", its));
                fields.getAsJsonObject("failure")
                        .addProperty("non_retryable", typed && ((ActivityException) error).nonRetryable);
            } finally {
                announcing.cancel(false);
                beating.cancel(false);
            }
            outcome(type, fields);
        }

        private JsonElement call() throws Exception {
            String wanted = task.get("activity_type").getAsString();
            Activity activity = activities.get(wanted);
            if (activity == null) {
                throw new ActivityException("ActivityNotFound", "no activity " + wanted + " here", false);
            }
            synchronized (this) {
                thread = Thread.currentThread();
                if (isCanceled) {
                    thread.interrupt();
                }
            }
            try {
                return Wire.JSON.toJsonTree(activity.run(this)); // what has no JSON fails the attempt
            } finally {
                synchronized (this) {
                    thread = null; // which is another's now
                }
                Thread.interrupted();
            }
        }

        private static JsonObject failure(String message, String label, String value) {
            JsonObject failure = new JsonObject();
            failure.addProperty("message", message);
            failure.addProperty(label, value);
            return failure;
        }

        private synchronized void cancel() {
            isCanceled = true;
            grant.complete(false);
            if (thread != null) {
                thread.interrupt();
            }
        }

        private void started() {
            saidSo = true;
            say("activity.started", new JsonObject());
        }

        /** Once, and nothing is lost if it does not arrive: what shows that we live is said again. */
        private void say(String type, JsonObject fields) {
            try {
                fields.addProperty("worker", ownQueue);
                tell(type, fields);
            } catch (IOException error) {
                System.err.println(type + ": " + error.getMessage());
            }
        }

        /** Until the broker has it: only then may the task be acknowledged. */
        private void outcome(String type, JsonObject fields) throws InterruptedException {
            while (true) {
                try {
                    tell(type, fields);
                    return;
                } catch (IOException error) {
                    System.err.println(type + ": " + error.getMessage());
                    Thread.sleep(200);
                }
            }
        }

        private void tell(String type, JsonObject fields) throws IOException {
            JsonObject body = fields.deepCopy();
            for (String field : List.of("workflow_id", "run_id", "activity_id", "attempt", "token")) {
                body.add(field, task.get(field));
            }
            Wire current = wire;
            if (current == null) {
                throw new IOException("there is no connection");
            }
            current.publish(task.get("exchange").getAsString(), task.get("routing_key").getAsString(),
                    Wire.properties(type), Wire.bytes(body));
        }

        private void acknowledge(boolean over) {
            synchronized (Worker.this) {
                boolean isThere = from == channel && from.isOpen();
                for (long tag : isThere ? deliveries : List.<Long>of()) {
                    try {
                        from.basicAck(tag, false);
                    } catch (IOException | RuntimeException lost) {
                        isThere = false; // the broker delivers it again
                    }
                }
                if (isThere) {
                    deliveries.clear();
                } else if (over && !deliveries.isEmpty()) {
                    settled.add(key);
                }
                if (over) {
                    attempts.remove(key);
                }
            }
        }
    }
}
