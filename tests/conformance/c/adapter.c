/* An adapter that reads and writes every frame of PROTOCOL.md §12, and has no server: it reaches level 0 and no more.

   ADAPTER.md has the requests and what may be answered. A line, and a frame that was in it, is read in its own place: what
   is behind escapes and base64 is never longer than they are. Two tables say which fields a message has, and of which type.

       cc -o adapter adapter.c && takeover conform --level 0 -- ./adapter */

#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 4, BODY_BYTES_MIN = 2, BODY_BYTES_MAX = 4 << 20 };
enum { BLOCK_BYTES = 65536, DIGEST_BYTES = 16 }; /* §12.6: so much of the digest of each block of a file */
enum { DEPTH_MAX = 4 };                          /* message, entries, entry, and what is in it */
enum { FIELDS_MAX = 32 };                        /* of an object; more are in no message and in no request */

typedef struct { char *at; size_t length; } Text;

static bool is(Text text, const char *word) {
    return text.length == strlen(word) && memcmp(text.at, word, text.length) == 0;
}

static bool same(Text a, Text b) { return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0); }

static _Noreturn void fail(const char *problem) {
    fprintf(stderr, "%s\n", problem);
    exit(1);
}

/* --- the messages of §12, and their fields --- */

typedef enum { NUMBER, FLAG, TEXT, BYTES, STATUS, NUMBERS, ENTRIES } Type;

static const struct { const char *name; Type type; } FIELDS[] = {
    {"amount", NUMBER}, {"arbiter", TEXT}, {"begun", NUMBER}, {"blocks", NUMBERS}, {"clause", TEXT}, {"current", NUMBER},
    {"digest", BYTES}, {"digests", BYTES}, {"directory", FLAG}, {"drift_ppm", NUMBER}, {"eligible", FLAG},
    {"entries", ENTRIES}, {"epoch", NUMBER}, {"expiry_slack_ns", NUMBER}, {"first", NUMBER}, {"index", NUMBER},
    {"latest", NUMBER}, {"lease_ns", NUMBER}, {"operation", BYTES}, {"pair", TEXT}, {"parts", NUMBER}, {"party", TEXT},
    {"path", BYTES}, {"promise_ns", NUMBER}, {"promoted", FLAG}, {"protocol", NUMBER}, {"reason", TEXT},
    {"resynchronise", FLAG}, {"run", NUMBER}, {"sent", NUMBER}, {"seq", NUMBER}, {"size", NUMBER}, {"status", STATUS},
    {"statuses", NUMBER}, {"stored", NUMBER}, {"synchronous", FLAG}, {"upto", NUMBER}, {"version", NUMBER},
};

typedef struct { const char *kind, *fields[11]; } Message; /* the fields end with a NULL */

static const Message MESSAGES[] = {
    {"hello", {"protocol", "pair", "party", "run", "lease_ns", "promise_ns", "drift_ppm", "expiry_slack_ns", "synchronous",
               "arbiter"}},
    {"ask-promise", {"epoch", "run", "sent"}},
    {"update", {"epoch", "seq", "operation"}},
    {"update-status", {"epoch", "seq", "status", "amount"}},
    {"copy-begin", {"epoch", "begun", "upto"}},
    {"copy-part", {"epoch", "upto", "index", "operation"}},
    {"copy-listing", {"epoch", "upto", "index", "entries"}},
    {"copy-end", {"epoch", "upto", "parts", "digest"}},
    {"released", {"epoch"}},
    {"goodbye", {"epoch"}},
    {"promised", {"epoch", "run", "sent"}},
    {"safe", {"epoch", "upto", "latest"}},
    {"position", {"epoch", "stored", "statuses", "resynchronise"}},
    {"copy-lacking", {"epoch", "upto", "index", "blocks"}},
    {"newer", {"epoch"}},
    {"ask-lease", {"epoch", "run", "sent", "promoted"}},
    {"leased", {"epoch", "run", "sent"}},
    {"not-leased", {"epoch", "run", "sent", "current", "clause", "reason"}},
    {"declare-eligible", {"epoch", "version", "eligible"}},
    {"recorded", {"epoch", "version", "eligible"}},
};

static const char *const ENTRY[] = {"path", "directory", "size", "first", "digests", NULL};

static const Message *message_of(Text kind) {
    for (size_t i = 0; i < sizeof MESSAGES / sizeof *MESSAGES; i++)
        if (is(kind, MESSAGES[i].kind))
            return &MESSAGES[i];
    return NULL;
}

static Type type_of(const char *name) {
    size_t i = 0;
    while (strcmp(FIELDS[i].name, name) != 0) i++;
    return FIELDS[i].type;
}

/* --- JSON, as §12.1 wants it: no fraction, no null, no field twice --- */

typedef struct Value {
    enum { A_NUMBER, A_FLAG, A_TEXT, A_LIST, AN_OBJECT } is;
    Text name;           /* in an object */
    uint64_t number;     /* a flag's too */
    Text text;
    struct Value *items; /* of a list, and of an object */
    size_t count;
    struct Value *next;  /* beside it */
    struct Value *older; /* what was made before it */
} Value;

static Value *newest;

static Value *new_value(int is) {
    Value *value = calloc(1, sizeof *value);
    if (!value) fail("no memory");
    value->is = is;
    value->older = newest;
    return newest = value;
}

static void free_values(void) {
    for (Value *older; newest; newest = older) {
        older = newest->older;
        free(newest);
    }
}

static Value *item_of(const Value *object, Text name) {
    Value *item = object->items;
    while (item && !same(item->name, name)) item = item->next;
    return item;
}

typedef struct { char *at, *end; } Reader;

static void skip_spaces(Reader *from) {
    while (from->at < from->end && memchr(" \t\n\r", *from->at, 4)) from->at++;
}

static bool take(Reader *from, const char *token) {
    size_t length = strlen(token);
    skip_spaces(from);
    if ((size_t)(from->end - from->at) < length || memcmp(from->at, token, length) != 0) return false;
    from->at += length;
    return true;
}

static bool is_utf8(Text text) {
    static const uint32_t LEAST[] = {0, 0x80, 0x800, 0x10000};
    for (size_t i = 0; i < text.length;) {
        unsigned char c = text.at[i++];
        size_t more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        if ((c >= 0x80 && c < 0xc0) || c >= 0xf8 || text.length - i < more) return false;
        uint32_t code = more ? c & (0x3f >> more) : c;
        for (size_t left = more; left > 0; left--, i++) {
            if ((text.at[i] & 0xc0) != 0x80) return false;
            code = code << 6 | (text.at[i] & 0x3f);
        }
        if (code < LEAST[more] || code > 0x10ffff || code >> 11 == 0xd800 >> 11) return false;
    }
    return true;
}

static char *put_utf8(char *to, uint32_t code) {
    if (code < 0x80) return *to++ = code, to;
    if (code >= 0x10000) *to++ = 0xf0 | code >> 18, *to++ = 0x80 | (code >> 12 & 0x3f), *to++ = 0x80 | (code >> 6 & 0x3f);
    else if (code >= 0x800) *to++ = 0xe0 | code >> 12, *to++ = 0x80 | (code >> 6 & 0x3f);
    else *to++ = 0xc0 | code >> 6;
    *to++ = 0x80 | (code & 0x3f);
    return to;
}

static bool read_hex(Reader *from, uint32_t *code) {
    static const char DIGITS[] = "0123456789abcdef0123456789ABCDEF";
    if (from->end - from->at < 4) return false;
    *code = 0;
    for (int i = 0; i < 4; i++) {
        const char *digit = memchr(DIGITS, *from->at++, 32);
        if (!digit) return false;
        *code = *code << 4 | ((digit - DIGITS) & 0xf);
    }
    return true;
}

/* Reads what follows a backslash; returns the end of what it stands for, NULL if it is no escape, or half a character. */
static char *read_escape(Reader *from, char *to) {
    static const char LETTERS[] = "\"\\/bfnrt", MEANT[] = "\"\\/\b\f\n\r\t";
    uint32_t code, low;
    if (from->at == from->end) return NULL;
    char letter = *from->at++;
    const char *found = memchr(LETTERS, letter, sizeof LETTERS - 1);
    if (found) return *to++ = MEANT[found - LETTERS], to;
    if (letter != 'u' || !read_hex(from, &code) || code >> 10 == 0xdc00 >> 10) return NULL;
    if (code >> 10 == 0xd800 >> 10) {
        if (from->end - from->at < 2 || *from->at++ != '\\' || *from->at++ != 'u') return NULL;
        if (!read_hex(from, &low) || low >> 10 != 0xdc00 >> 10) return NULL;
        code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
    }
    return put_utf8(to, code);
}

static bool read_text(Reader *from, Text *text) {
    if (!take(from, "\"")) return false;
    char *to = text->at = from->at;
    while (from->at < from->end && (unsigned char)*from->at >= ' ') {
        char c = *from->at++;
        if (c == '"') {
            text->length = to - text->at;
            return is_utf8(*text);
        }
        if (c != '\\') *to++ = c;
        else if (!(to = read_escape(from, to))) return false;
    }
    return false;
}

static bool read_number(Reader *from, uint64_t *number) {
    char *first = from->at;
    for (*number = 0; from->at < from->end && *from->at >= '0' && *from->at <= '9'; from->at++) {
        uint64_t digit = *from->at - '0';
        if (*number > (INT64_MAX - digit) / 10) return false;
        *number = *number * 10 + digit;
    }
    return from->at > first && (*first != '0' || from->at == first + 1);
}

/* Reads a value; returns NULL if there is none that a message may have. */
static Value *read_value(Reader *from, int depth) {
    Value *value = new_value(A_NUMBER);
    if (depth > DEPTH_MAX) return NULL;
    if (take(from, "true") || take(from, "false")) {
        value->is = A_FLAG;
        value->number = from->at[-2] == 'u';
        return value;
    }
    if (from->at < from->end && *from->at == '"') {
        value->is = A_TEXT;
        return read_text(from, &value->text) ? value : NULL;
    }
    bool is_object = take(from, "{");
    if (!is_object && !take(from, "[")) return read_number(from, &value->number) ? value : NULL;
    value->is = is_object ? AN_OBJECT : A_LIST;
    const char *closing = is_object ? "}" : "]";
    if (take(from, closing)) return value;
    Value **last = &value->items;
    do {
        Text name = {NULL, 0};
        if (is_object && (!read_text(from, &name) || item_of(value, name) || !take(from, ":"))) return NULL;
        Value *item = read_value(from, depth + 1);
        if (!item || (is_object && value->count == FIELDS_MAX)) return NULL;
        item->name = name;
        *last = item;
        last = &item->next;
        value->count++;
    } while (take(from, ","));
    return take(from, closing) ? value : NULL;
}

/* Reads an object and nothing after it, or NULL. */
static Value *read_object(char *at, size_t length) {
    Reader from = {at, at + length};
    Value *value = read_value(&from, 1);
    skip_spaces(&from);
    return value && value->is == AN_OBJECT && from.at == from.end ? value : NULL;
}

static void write_text(FILE *to, Text text) {
    fputc('"', to);
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = text.at[i];
        if (c < ' ' || c == '"' || c == '\\') fprintf(to, "\\u%04x", c);
        else fputc(c, to);
    }
    fputc('"', to);
}

static void write_value(FILE *to, const Value *value) {
    switch (value->is) {
        case A_NUMBER: fprintf(to, "%" PRIu64, value->number); return;
        case A_FLAG: fputs(value->number ? "true" : "false", to); return;
        case A_TEXT: write_text(to, value->text); return;
        case A_LIST: case AN_OBJECT: break;
    }
    fputc(value->is == A_LIST ? '[' : '{', to);
    for (const Value *item = value->items; item; item = item->next) {
        if (item != value->items) fputc(',', to);
        if (value->is == AN_OBJECT) write_text(to, item->name), fputc(':', to);
        write_value(to, item);
    }
    fputc(value->is == A_LIST ? ']' : '}', to);
}

/* --- base64: RFC 4648, §4, with padding, and nothing set in the bits that mean nothing --- */

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Decodes to another place, or the same; to nowhere, if `to` is NULL. Returns how many bytes it is, -1 if it is no base64. */
static long from_base64(Text text, char *to) {
    long length = 0;
    if (text.length % 4) return -1;
    size_t padding = 0;
    while (padding < 2 && padding < text.length && text.at[text.length - 1 - padding] == '=') padding++;
    uint32_t bits = 0, left = 0;
    for (size_t i = 0; i < text.length - padding; i++) {
        const char *digit = memchr(ALPHABET, text.at[i], 64);
        if (!digit) return -1;
        bits = (bits << 6 | (digit - ALPHABET)) & 0xffff;
        left += 6;
        if (left < 8) continue;
        left -= 8;
        if (to) to[length] = bits >> left;
        length++;
    }
    return bits & ((1 << left) - 1) ? -1 : length;
}

static void write_base64(FILE *to, const unsigned char *at, size_t length) {
    for (size_t i = 0; i < length; i += 3) {
        size_t here = length - i < 3 ? length - i : 3;
        uint32_t bits = at[i] << 16 | (here > 1 ? at[i + 1] << 8 : 0) | (here > 2 ? at[i + 2] : 0);
        for (size_t n = 0; n < 4; n++) fputc(n <= here ? ALPHABET[bits >> (18 - 6 * n) & 0x3f] : '=', to);
    }
}

/* --- what is a message, and what is a frame --- */

static Value *field(const Value *object, const char *name) {
    return item_of(object, (Text){(char *)name, strlen(name)});
}

static bool has_fields(const Value *object, const char *const *names);

static bool is_entry(const Value *value) {
    if (value->is != AN_OBJECT || value->count != 5 || !has_fields(value, ENTRY)) return false;
    uint64_t size = field(value, "size")->number, first = field(value, "first")->number;
    uint64_t bytes = from_base64(field(value, "digests")->text, NULL);
    if (field(value, "path")->text.length == 0 || bytes % DIGEST_BYTES) return false;
    if (field(value, "directory")->number) return !size && !first && !bytes;
    return bytes == 0 || (size > 0 && first + bytes / DIGEST_BYTES - 1 <= (size - 1) / BLOCK_BYTES);
}

static bool is_a(Type type, const Value *value) {
    switch (type) {
        case NUMBER: return value->is == A_NUMBER;
        case FLAG: return value->is == A_FLAG;
        case TEXT: return value->is == A_TEXT;
        case BYTES: return value->is == A_TEXT && from_base64(value->text, NULL) >= 0;
        case STATUS:
            return value->is == A_TEXT && (is(value->text, "none") || is(value->text, "done") || is(value->text, "failed"));
        case NUMBERS: case ENTRIES: break;
    }
    if (value->is != A_LIST) return false;
    for (const Value *item = value->items; item; item = item->next)
        if (type == NUMBERS ? item->is != A_NUMBER : !is_entry(item)) return false;
    return true;
}

static bool has_fields(const Value *object, const char *const *names) {
    for (; *names; names++) {
        const Value *value = field(object, *names);
        if (!value || !is_a(type_of(*names), value)) return false;
    }
    return true;
}

/* The message whose fields this object has; it may have `others` beside them and the kind. NULL if it is none. */
static const Message *message_in(const Value *object, size_t others) {
    const Value *kind = field(object, "kind");
    const Message *message = kind && kind->is == A_TEXT ? message_of(kind->text) : NULL;
    if (!message || !has_fields(object, message->fields)) return NULL;
    size_t count = 0;
    while (message->fields[count]) count++;
    return object->count == 1 + count + others ? message : NULL;
}

static void write_message(FILE *to, const Message *message, const Value *object) {
    fprintf(to, "\"kind\":\"%s\"", message->kind);
    for (const char *const *name = message->fields; *name; name++) {
        fprintf(to, ",\"%s\":", *name);
        write_value(to, field(object, *name));
    }
}

/* Writes the frame of the message in a request, in base64. */
static void write_frame(FILE *to, const Value *request) {
    const Message *message = message_in(request, 2); /* `id` and `op` */
    if (!message) fail("there is no message to encode");
    char *frame;
    size_t size;
    FILE *memory = open_memstream(&frame, &size);
    if (!memory) fail("no memory");
    fwrite("\0\0\0\0{", 1, LENGTH_BYTES + 1, memory);
    write_message(memory, message, request);
    fputc('}', memory);
    if (fclose(memory) != 0 || size - LENGTH_BYTES > BODY_BYTES_MAX) fail("the message is too long for a frame");
    for (int i = 0; i < LENGTH_BYTES; i++) frame[i] = (size - LENGTH_BYTES) >> 8 * (LENGTH_BYTES - 1 - i);
    write_base64(to, (unsigned char *)frame, size);
    free(frame);
}

/* The values in a frame, which is in base64; NULL if it is malformed. */
static Value *read_frame(Text text) {
    char *frame = text.at;
    long size = from_base64(text, frame);
    if (size < 0) fail("the frame is not in base64");
    if (size < LENGTH_BYTES + BODY_BYTES_MIN || size > LENGTH_BYTES + BODY_BYTES_MAX) return NULL;
    uint32_t length = 0;
    for (int i = 0; i < LENGTH_BYTES; i++) length = length << 8 | (unsigned char)frame[i];
    if (length != size - LENGTH_BYTES) return NULL;
    Value *object = read_object(frame + LENGTH_BYTES, length);
    return object && message_in(object, 0) ? object : NULL;
}

/* --- requests and answers --- */

static Value *asked(const Value *request, const char *name) {
    Value *value = field(request, name);
    if (!value) fail("the request lacks a field");
    return value;
}

static void begin_line(const Value *request, const char *key, const char *name) {
    printf("{\"id\":%" PRIu64 ",\"%s\":\"%s\"", asked(request, "id")->number, key, name);
}

static void answer(const Value *request) {
    Text op = asked(request, "op")->text;
    if (is(op, "hello")) {
        begin_line(request, "is", "metadata");
        puts(",\"protocol\":1,\"name\":\"every frame, in C\",\"version\":\"1\",\"language\":\"C\"}");
    } else if (is(op, "encode")) {
        begin_line(request, "is", "encoded");
        fputs(",\"frame\":\"", stdout);
        write_frame(stdout, request);
        puts("\"}");
    } else if (is(op, "decode")) {
        const Value *object = read_frame(asked(request, "frame")->text);
        begin_line(request, "is", object ? "decoded" : "refused");
        if (object) fputc(',', stdout), write_message(stdout, message_in(object, 0), object);
        puts("}");
    } else if (is(op, "start")) { /* ROLE-1: passive and hidden. LEASE-2: what may have been promised before is waited out */
        begin_line(request, "do", "start");
        printf(",\"active\":false,\"enabled\":false,\"until\":0,\"wait_until\":%" PRIu64 "}\n",
               asked(request, "now")->number + asked(request, "promise_ns")->number);
    }
    begin_line(request, "is", "end");
    puts("}");
    fflush(stdout);
}

int main(void) {
    char *line = NULL;
    size_t size = 0;
    for (ssize_t length; (length = getline(&line, &size, stdin)) > 0; free_values()) {
        Value *request = read_object(line, length);
        if (!request) fail("the request is not an object");
        answer(request);
    }
    free(line);
}
