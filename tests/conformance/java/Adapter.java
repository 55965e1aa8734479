import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * An adapter that reads and writes every frame of PROTOCOL.md §12, and has no server: it reaches level 0 and no more.
 *
 * ADAPTER.md has the requests and what may be answered. A value of JSON is a Long, a Boolean, a String, a List or a Map;
 * the tables below say which of them a message has.
 *
 *     javac Adapter.java && takeover conform --level 0 -- java Adapter
 */
public final class Adapter {
    private final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    public static void main(String[] words) throws IOException {
        Adapter adapter = new Adapter();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            try {
                adapter.answer(Json.object(line));
            } catch (Malformed problem) {
                throw new IllegalArgumentException("the request: " + problem.getMessage(), problem);
            }
            adapter.out.flush();
        }
    }

    private void answer(Map<String, Object> request) throws Malformed {
        switch ((String) request.get("op")) {
            case "hello":
                line(request, "is", "metadata",
                        fields("protocol", 1L, "name", "every frame, in Java", "version", "1", "language", "Java"));
                break;
            case "encode":
                byte[] made = Frames.encode(Frames.picked(request));
                line(request, "is", "encoded", fields("frame", Base64.getEncoder().encodeToString(made)));
                break;
            case "decode":
                byte[] frame = Base64.getDecoder().decode((String) request.get("frame"));
                Map<String, Object> message;
                try {
                    message = Frames.decode(frame);
                } catch (Malformed problem) {
                    line(request, "is", "refused", Map.of());
                    break;
                }
                line(request, "is", "decoded", message);
                break;
            case "start": // ROLE-1: passive and hidden. LEASE-2: what may have been promised before is waited out
                long waitUntil = (Long) request.get("now") + (Long) request.get("promise_ns");
                line(request, "do", "start", fields("active", false, "enabled", false, "until", 0L, "wait_until", waitUntil));
                break;
            default: // there is no server to be told
                break;
        }
        line(request, "is", "end", Map.of());
    }

    private void line(Map<String, Object> request, String key, String name, Map<String, Object> fields) {
        Map<String, Object> line = fields("id", request.get("id"), key, name);
        line.putAll(fields);
        out.print(Json.text(line) + "\n");
    }

    private static Map<String, Object> fields(Object... namesAndValues) {
        Map<String, Object> fields = new LinkedHashMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            fields.put((String) namesAndValues[i], namesAndValues[i + 1]);
        }
        return fields;
    }
}

/** What is no message, or no JSON. */
final class Malformed extends Exception {
    private static final long serialVersionUID = 1;

    Malformed(String problem) {
        super(problem);
    }
}

/** The messages of §12: their fields, and how they are framed. */
final class Frames {
    private static final int LENGTH_BYTES = 4;
    private static final int BODY_BYTES_MIN = 2;
    private static final int BODY_BYTES_MAX = 4 << 20;

    /** §12.6: a listing has this much of the digest of each block of a file. */
    private static final int DIGEST_BYTES = 16;
    private static final int BLOCK_BYTES = 65_536;

    private enum Type { NUMBER, FLAG, TEXT, BYTES, STATUS, NUMBERS, ENTRIES }

    private static final Map<String, Type> TYPES = new LinkedHashMap<>();
    private static final Map<String, List<String>> MESSAGES = new LinkedHashMap<>();
    private static final List<String> ENTRY = List.of("path", "directory", "size", "first", "digests");

    static {
        typed(Type.NUMBER, "amount", "begun", "current", "drift_ppm", "epoch", "expiry_slack_ns", "first", "index", "latest");
        typed(Type.NUMBER, "lease_ns", "parts", "promise_ns", "protocol", "run", "sent", "seq", "size", "statuses", "stored");
        typed(Type.NUMBER, "upto", "version");
        typed(Type.FLAG, "directory", "eligible", "promoted", "resynchronise", "synchronous");
        typed(Type.TEXT, "arbiter", "clause", "pair", "party", "reason");
        typed(Type.BYTES, "digest", "digests", "operation", "path");
        typed(Type.STATUS, "status");
        typed(Type.NUMBERS, "blocks");
        typed(Type.ENTRIES, "entries");

        message("hello", "protocol", "pair", "party", "run", "lease_ns", "promise_ns", "drift_ppm", "expiry_slack_ns",
                "synchronous", "arbiter");
        message("ask-promise", "epoch", "run", "sent");
        message("update", "epoch", "seq", "operation");
        message("update-status", "epoch", "seq", "status", "amount");
        message("copy-begin", "epoch", "begun", "upto");
        message("copy-part", "epoch", "upto", "index", "operation");
        message("copy-listing", "epoch", "upto", "index", "entries");
        message("copy-end", "epoch", "upto", "parts", "digest");
        message("released", "epoch");
        message("goodbye", "epoch");
        message("promised", "epoch", "run", "sent");
        message("safe", "epoch", "upto", "latest");
        message("position", "epoch", "stored", "statuses", "resynchronise");
        message("copy-lacking", "epoch", "upto", "index", "blocks");
        message("newer", "epoch");
        message("ask-lease", "epoch", "run", "sent", "promoted");
        message("leased", "epoch", "run", "sent");
        message("not-leased", "epoch", "run", "sent", "current", "clause", "reason");
        message("declare-eligible", "epoch", "version", "eligible");
        message("recorded", "epoch", "version", "eligible");
    }

    private Frames() {}

    private static void typed(Type type, String... names) {
        for (String name : names) {
            TYPES.put(name, type);
        }
    }

    private static void message(String kind, String... names) {
        MESSAGES.put(kind, List.of(names));
    }

    /** The message in a request, without what the request has beside it. */
    static Map<String, Object> picked(Map<String, Object> request) {
        Map<String, Object> message = new LinkedHashMap<>(request);
        message.keySet().removeAll(List.of("id", "op"));
        return message;
    }

    static byte[] encode(Map<String, Object> message) throws Malformed {
        check(message);
        byte[] body = Json.text(message).getBytes(StandardCharsets.UTF_8);
        if (body.length > BODY_BYTES_MAX) {
            throw new Malformed("too long for a frame");
        }
        return ByteBuffer.allocate(LENGTH_BYTES + body.length).putInt(body.length).put(body).array();
    }

    static Map<String, Object> decode(byte[] frame) throws Malformed {
        int length = frame.length < LENGTH_BYTES ? 0 : ByteBuffer.wrap(frame).getInt();
        if (length < BODY_BYTES_MIN || length > BODY_BYTES_MAX || length != frame.length - LENGTH_BYTES) {
            throw new Malformed("a wrong length");
        }
        String text;
        try { // a new decoder reports what is no UTF-8; it leaves a byte order mark where it is
            text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(frame, LENGTH_BYTES, length)).toString();
        } catch (CharacterCodingException problem) {
            throw new Malformed("no UTF-8");
        }
        Map<String, Object> message = Json.object(text);
        check(message);
        return message;
    }

    private static void check(Map<String, Object> message) throws Malformed {
        Object kind = message.get("kind");
        List<String> names = kind instanceof String ? MESSAGES.get(kind) : null;
        if (names == null || message.size() != 1 + names.size() || !hasFields(message, names)) {
            throw new Malformed("not a message and its fields");
        }
    }

    private static boolean hasFields(Map<?, ?> object, List<String> names) {
        return names.stream().allMatch(name -> isA(TYPES.get(name), object.get(name)));
    }

    private static boolean isA(Type type, Object value) {
        switch (type) {
            case NUMBER:
                return value instanceof Long;
            case FLAG:
                return value instanceof Boolean;
            case TEXT:
                return value instanceof String;
            case BYTES:
                return value instanceof String && bytes((String) value) != null;
            case STATUS:
                return value instanceof String && List.of("none", "done", "failed").contains(value);
            case NUMBERS:
                return value instanceof List && ((List<?>) value).stream().allMatch(item -> item instanceof Long);
            default:
                return value instanceof List && ((List<?>) value).stream().allMatch(Frames::isEntry);
        }
    }

    /** §12.6. */
    private static boolean isEntry(Object value) {
        if (!(value instanceof Map)) {
            return false;
        }
        Map<?, ?> entry = (Map<?, ?>) value;
        if (entry.size() != ENTRY.size() || !hasFields(entry, ENTRY)) {
            return false;
        }
        int bytes = bytes((String) entry.get("digests")).length;
        long size = (Long) entry.get("size");
        long first = (Long) entry.get("first");
        if (bytes % DIGEST_BYTES != 0 || ((String) entry.get("path")).isEmpty()) {
            return false;
        }
        if ((Boolean) entry.get("directory")) {
            return size == 0 && first == 0 && bytes == 0;
        }
        return bytes == 0 || (size > 0 && first <= (size - 1) / BLOCK_BYTES - (bytes / DIGEST_BYTES - 1));
    }

    /** What a text says in base64; null if it is none, lacks padding, or has bits set that mean nothing. */
    private static byte[] bytes(String text) {
        try {
            byte[] bytes = Base64.getDecoder().decode(text);
            return Base64.getEncoder().encodeToString(bytes).equals(text) ? bytes : null;
        } catch (IllegalArgumentException problem) {
            return null;
        }
    }
}

/** JSON as §12.1 wants it: whole numbers of 63 bits, no null, no name twice, no half character. */
final class Json {
    /** A message, its entries, an entry, and what is in it. */
    private static final int DEPTH_MAX = 4;

    private static final String LETTERS = "\"\\/bfnrt";
    private static final String MEANT = "\"\\/\b\f\n\r\t";
    private static final int END = -1;

    private final String from;
    private int at;

    private Json(String from) {
        this.from = from;
    }

    /** The object that this is, and nothing else. */
    @SuppressWarnings("unchecked") // the names of an object are text
    static Map<String, Object> object(String from) throws Malformed {
        Json json = new Json(from);
        Object value = json.value(1);
        if (!(value instanceof Map) || json.next() != END) {
            throw json.malformed("not one object");
        }
        return (Map<String, Object>) value;
    }

    /** The next character that is no space; it is not taken. */
    private int next() {
        while (at < from.length() && " \t\n\r".indexOf(from.charAt(at)) >= 0) {
            at++;
        }
        return at < from.length() ? from.charAt(at) : END;
    }

    private boolean take(char wanted) {
        if (next() != wanted) {
            return false;
        }
        at++;
        return true;
    }

    private boolean take(String word) {
        if (next() == END || !from.startsWith(word, at)) {
            return false;
        }
        at += word.length();
        return true;
    }

    private Object value(int depth) throws Malformed {
        if (depth > DEPTH_MAX) {
            throw malformed("too deep");
        }
        if (next() == '"') {
            return text();
        }
        if (take('{')) {
            return fields(depth);
        }
        if (take('[')) {
            return items(depth);
        }
        return take("true") ? Boolean.TRUE : take("false") ? Boolean.FALSE : (Object) number();
    }

    private Map<String, Object> fields(int depth) throws Malformed {
        Map<String, Object> fields = new LinkedHashMap<>();
        if (take('}')) {
            return fields;
        }
        do {
            String name = text();
            if (!take(':')) {
                throw malformed("no colon");
            }
            if (fields.put(name, value(depth + 1)) != null) {
                throw malformed(name + " twice");
            }
        } while (take(','));
        if (!take('}')) {
            throw malformed("an object is not closed");
        }
        return fields;
    }

    private List<Object> items(int depth) throws Malformed {
        List<Object> items = new ArrayList<>();
        if (take(']')) {
            return items;
        }
        do {
            items.add(value(depth + 1));
        } while (take(','));
        if (!take(']')) {
            throw malformed("a list is not closed");
        }
        return items;
    }

    private Long number() throws Malformed {
        int first = at;
        while (at < from.length() && from.charAt(at) >= '0' && from.charAt(at) <= '9') {
            at++;
        }
        if (at > first + 1 && from.charAt(first) == '0') {
            throw malformed("a zero before a number");
        }
        try {
            return Long.valueOf(from.substring(first, at));
        } catch (NumberFormatException problem) {
            throw malformed("no value, or too large a number");
        }
    }

    private String text() throws Malformed {
        if (!take('"')) {
            throw malformed("no text");
        }
        StringBuilder text = new StringBuilder();
        for (char c = character(); c != '"'; c = character()) {
            if (c < ' ') {
                throw malformed("a control character");
            }
            text.append(c == '\\' ? escaped() : c);
        }
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw malformed("half a character");
        }
        return text.toString();
    }

    private char character() throws Malformed {
        if (at == from.length()) {
            throw malformed("it ends in a text");
        }
        return from.charAt(at++);
    }

    /** What follows a backslash stands for this; of a pair of surrogates, one. */
    private char escaped() throws Malformed {
        char letter = character();
        if (letter != 'u') {
            int place = LETTERS.indexOf(letter);
            if (place < 0) {
                throw malformed("no such escape");
            }
            return MEANT.charAt(place);
        }
        int code = 0;
        for (int i = 0; i < 4; i++) {
            int digit = "0123456789abcdef0123456789ABCDEF".indexOf(character());
            if (digit < 0) {
                throw malformed("no hexadecimal digit");
            }
            code = code << 4 | (digit & 0xf);
        }
        return (char) code;
    }

    private Malformed malformed(String problem) {
        return new Malformed(problem + ", at " + at);
    }

    static String text(Object value) {
        StringBuilder to = new StringBuilder();
        write(to, value);
        return to.toString();
    }

    private static void write(StringBuilder to, Object value) {
        if (value instanceof String) {
            to.append('"');
            for (char c : ((String) value).toCharArray()) {
                to.append(c < ' ' || c == '"' || c == '\\' ? String.format("\\u%04x", (int) c) : c);
            }
            to.append('"');
        } else if (value instanceof List) {
            String mark = "[";
            for (Object item : (List<?>) value) {
                write(to.append(mark), item);
                mark = ",";
            }
            to.append(mark.equals("[") ? "[]" : "]");
        } else if (value instanceof Map) {
            String mark = "{";
            for (Map.Entry<?, ?> field : ((Map<?, ?>) value).entrySet()) {
                write(to.append(mark), field.getKey());
                write(to.append(':'), field.getValue());
                mark = ",";
            }
            to.append(mark.equals("{") ? "{}" : "}");
        } else {
            to.append(value);
        }
    }
}
