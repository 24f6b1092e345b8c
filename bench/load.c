/*
 * A closed loop of SMTP clients: each session sends its next message when the last one was answered.
 *
 *   load --port P [--host 127.0.0.1] [--sessions 20] [--messages 1000] [--size 1024] [--per-connection one|many]
 *        [--recipients 1] [--domains 1] [--pipelining] [--timeout SECONDS]
 *   load --port P --idle N      opens N sessions up to the answer to EHLO and holds them until SIGTERM
 *
 * No pipelining unless asked for, TCP_NODELAY, the body handed over with the final dot in one writev.
 * Two latencies: `accept` from the last octet of the dot written to the 250, and `transaction` from MAIL written
 * to the 250. Rates count messages answered 250 from the first connect to the last 250. A message that is refused
 * or broken off counts as failed and is not sent again. --timeout is time without any progress.
 */
#include "net.h"

enum phase { CONNECT, BANNER, EHLO, MAIL, RCPT, DATA, DOT, QUIT };
enum { IN = 4096, BATCH = 256 };

typedef struct session {
  int fd, want_write, next_rcpt;
  enum phase phase;
  long message; /* the number of the message in hand, -1 without one */
  double mail_at, dot_at;
  char in[IN];
  unsigned have;
  char *out;
  size_t out_length, out_sent;
  size_t body_left; /* octets of the shared body still to be written after `out` */
} session;

static const char *host = "127.0.0.1";
static int port, recipients = 1, domains = 1, pipelining, per_connection_one, poller, idle, live, term;
static long messages = 1000, size = 1024, next_message, accepted, failed, accepted_recipients, connections;
static char *body;
static size_t body_length, out_room;
static double *accept_latency, *transaction_latency, started_at, ended_at, progress_at, timeout = 120;
static session *sessions;

static void open_session(session *s);

static void watch(session *s, int operation, int writing) {
  struct epoll_event e = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = s};
  epoll_ctl(poller, operation, s->fd, &e);
  s->want_write = writing;
}

/* Gives up the connection, and with it the message in hand; goes on with a new connection while there is work. */
static void drop(session *s) {
  close(s->fd);
  s->fd = -1;
  if (s->message >= 0) { failed++; s->message = -1; progress_at = now(); }
  else if (s->phase <= EHLO && !idle && next_message < messages) { next_message++; failed++; }
  live--;
  if (!idle && next_message < messages) open_session(s);
}

static void push(session *s) {
  while (s->out_sent < s->out_length || s->body_left) {
    struct iovec v[2];
    int n = 0;
    if (s->out_sent < s->out_length) v[n++] = (struct iovec){s->out + s->out_sent, s->out_length - s->out_sent};
    if (s->body_left) v[n++] = (struct iovec){body + body_length - s->body_left, s->body_left};
    ssize_t w = writev(s->fd, v, n);
    if (w < 0) {
      if (errno == EAGAIN) { if (!s->want_write) watch(s, EPOLL_CTL_MOD, 1); return; }
      drop(s);
      return;
    }
    size_t head = s->out_length - s->out_sent < (size_t)w ? s->out_length - s->out_sent : (size_t)w;
    s->out_sent += head;
    s->body_left -= w - head;
  }
  s->out_length = s->out_sent = 0;
  if (s->phase == DOT) s->dot_at = now();
  if (s->want_write) watch(s, EPOLL_CTL_MOD, 0);
}

static void add(session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(session *s, const char *format, ...) {
  __builtin_va_list args;
  __builtin_va_start(args, format);
  s->out_length += vsnprintf(s->out + s->out_length, out_room - s->out_length, format, args);
  __builtin_va_end(args);
}

static void add_rcpt(session *s, int i) {
  add(s, "RCPT TO:<user%d@d%ld.test>\r\n", i, (s->message * recipients + i) % domains);
}

static void add_header(session *s) {
  time_t t = time(NULL);
  struct tm tm;
  char date[64];
  strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&t, &tm));
  add(s, "From: Sender <sender@load.test>\r\nTo: user0@d0.test\r\nSubject: message %010ld\r\nDate: %s\r\n"
         "Message-ID: <%010ld.%d@load.test>\r\n\r\n", s->message, date, s->message, (int)getpid());
}

static void send_phase(session *s, enum phase phase) {
  s->phase = phase;
  switch (phase) {
    case EHLO: add(s, "EHLO load.test\r\n"); break;
    case MAIL:
      s->message = next_message++;
      s->next_rcpt = 0;
      add(s, "MAIL FROM:<sender@load.test>\r\n");
      if (pipelining) { for (int i = 0; i < recipients; i++) add_rcpt(s, i); add(s, "DATA\r\n"); }
      break;
    case RCPT: if (!pipelining) add_rcpt(s, s->next_rcpt); break;
    case DATA: if (!pipelining) add(s, "DATA\r\n"); break;
    case DOT: add_header(s); s->body_left = body_length; break;
    case QUIT: add(s, "QUIT\r\n"); break;
    default: break;
  }
  push(s);
  if (phase == MAIL) s->mail_at = now();
}

static void next_transaction(session *s) {
  if (idle) { s->phase = CONNECT; return; }
  send_phase(s, next_message < messages ? MAIL : QUIT);
}

static void finish(session *s, int code) {
  double t = now();
  if (code == 250) {
    accept_latency[accepted] = t - s->dot_at;
    transaction_latency[accepted++] = t - s->mail_at;
    accepted_recipients += recipients;
    ended_at = t;
  } else failed++;
  progress_at = t;
  s->message = -1;
  if (per_connection_one) send_phase(s, QUIT); else next_transaction(s);
}

/* One complete reply: what to do next. */
static void reply(session *s, int code) {
  switch (s->phase) {
    case BANNER: if (code != 220) drop(s); else send_phase(s, EHLO); return;
    case EHLO: if (code != 250) drop(s); else next_transaction(s); return;
    case MAIL: if (code != 250) drop(s); else send_phase(s, RCPT); return;
    case RCPT:
      if (code != 250) { drop(s); return; }
      send_phase(s, ++s->next_rcpt < recipients ? RCPT : DATA);
      return;
    case DATA: if (code != 354) drop(s); else send_phase(s, DOT); return;
    case DOT: finish(s, code); return;
    default: drop(s);
  }
}

static void read_replies(session *s) {
  ssize_t n = read(s->fd, s->in + s->have, IN - s->have);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) { drop(s); return; }
  s->have += n;
  for (char *end; (end = memchr(s->in, '\n', s->have)); ) {
    unsigned used = end + 1 - s->in;
    int last = used < 4 || s->in[3] != '-', code = atoi(s->in), fd = s->fd;
    memmove(s->in, s->in + used, s->have -= used);
    if (last) reply(s, code);
    if (s->fd != fd || s->fd < 0 || s->phase == BANNER) return; /* dropped, perhaps opened again */
  }
  if (s->have == IN) drop(s);
}

static void open_session(session *s) {
  struct sockaddr_in a = ipv4(host, port);
  s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (s->fd < 0) { perror("socket"); exit(71); }
  no_delay(s->fd);
  s->have = 0;
  s->out_length = s->out_sent = s->body_left = 0;
  s->message = -1;
  s->phase = BANNER;
  connections++;
  live++;
  if (connect(s->fd, (struct sockaddr *)&a, sizeof a) && errno != EINPROGRESS) { perror("connect"); exit(71); }
  watch(s, EPOLL_CTL_ADD, 0);
}

static void make_body(void) {
  long header = snprintf(NULL, 0, "From: Sender <sender@load.test>\r\nTo: user0@d0.test\r\nSubject: message %010ld\r\n"
    "Date: Mon, 01 Jan 2024 00:00:00 +0000\r\nMessage-ID: <%010ld.%d@load.test>\r\n\r\n", 0L, 0L, (int)getpid());
  long n = size > header + 4 ? size - header : 4;
  body_length = n + 3;
  body = must(malloc(body_length));
  unsigned seed = 1;
  for (long i = 0; i < n; i++) {
    seed = seed * 1103515245 + 12345;
    body[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : 'a' + (seed >> 16) % 26;
  }
  if (n > 2 && body[n - 3] == '\r') body[n - 3] = 'a';
  memcpy(body + n - 2, "\r\n.\r\n", 5);
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void print_latency(const char *name, double *values) {
  qsort(values, accepted, sizeof *values, ascending);
  double p50 = accepted ? values[accepted / 2] : 0, p99 = accepted ? values[accepted * 99 / 100] : 0;
  printf(",\"%s\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name, p50 * 1e3, p99 * 1e3,
         accepted ? values[accepted - 1] * 1e3 : 0);
}

static void print_result(int complete) {
  double seconds = ended_at - started_at;
  printf("{\"event\":\"result\",\"complete\":%s,\"accepted\":%ld,\"failed\":%ld,\"recipients\":%ld,\"connections\":%ld,"
         "\"startedAt\":%.6f,\"endedAt\":%.6f,\"seconds\":%.6f,\"rate\":%.3f",
         complete ? "true" : "false", accepted, failed, accepted_recipients, connections, started_at, ended_at,
         seconds > 0 ? seconds : 0, accepted && seconds > 0 ? accepted / seconds : 0);
  print_latency("accept", accept_latency);
  print_latency("transaction", transaction_latency);
  printf(",\"cpuSeconds\":%.6f}\n", cpu_seconds());
}

/* How many of the idle sessions have their answer to EHLO. */
static int established(int n) {
  int done = 0;
  for (int i = 0; i < n; i++) done += sessions[i].fd >= 0 && sessions[i].phase == CONNECT;
  return done;
}

static int hold(int n) {
  double give_up = now() + timeout;
  for (int told = 0; ; ) {
    int done = established(n);
    if (!told && (done == n || now() > give_up)) {
      printf("{\"event\":\"idle\",\"wanted\":%d,\"established\":%d}\n", n, done);
      fflush(stdout);
      told = 1;
    }
    struct epoll_event events[BATCH];
    int got = epoll_wait(poller, events, BATCH, told ? -1 : 100);
    for (int i = 0; i < got; i++) {
      if (events[i].data.ptr == &term) {
        printf("{\"event\":\"end\",\"established\":%d}\n", established(n));
        return 0;
      }
      read_replies(events[i].data.ptr);
    }
  }
}

static int drive(void) {
  progress_at = now();
  while (live > 0) {
    struct epoll_event events[BATCH];
    int got = epoll_wait(poller, events, BATCH, 500);
    for (int i = 0; i < got; i++) {
      session *s = events[i].data.ptr;
      if (events[i].data.ptr == &term) { print_result(0); return 1; }
      if (s->fd >= 0 && (events[i].events & EPOLLOUT)) push(s);
      if (s->fd >= 0 && (events[i].events & ~EPOLLOUT)) read_replies(s);
    }
    /* All is answered: a peer that is slow to say 221 is no part of the measure. */
    if (accepted + failed >= messages && now() - ended_at > 1) break;
    if (now() - progress_at > timeout) { print_result(0); return 1; }
  }
  print_result(failed == 0);
  return failed ? 1 : 0;
}

int main(int argc, char **argv) {
  int n = 20;
  for (int i = 1; i < argc; i++) {
    const char *o = argv[i];
    if (!strcmp(o, "--pipelining")) { pipelining = 1; continue; }
    const char *value = i + 1 < argc ? argv[++i] : "";
    if (!strcmp(o, "--host")) host = value;
    else if (!strcmp(o, "--port")) port = atoi(value);
    else if (!strcmp(o, "--sessions")) n = atoi(value);
    else if (!strcmp(o, "--messages")) messages = atol(value);
    else if (!strcmp(o, "--size")) size = atol(value);
    else if (!strcmp(o, "--recipients")) recipients = atoi(value);
    else if (!strcmp(o, "--domains")) domains = atoi(value);
    else if (!strcmp(o, "--timeout")) timeout = atof(value);
    else if (!strcmp(o, "--per-connection")) per_connection_one = !strcmp(value, "one");
    else if (!strcmp(o, "--idle")) { idle = 1; n = atoi(value); }
    else { fprintf(stderr, "unknown option %s\n", o); return 64; }
  }
  if (!port || n < 1 || recipients < 1 || domains < 1) { fprintf(stderr, "see the head of load.c\n"); return 64; }
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  make_body();
  term = termination_fd();
  poller = epoll_create1(EPOLL_CLOEXEC);
  epoll_ctl(poller, EPOLL_CTL_ADD, term, &(struct epoll_event){.events = EPOLLIN, .data.ptr = &term});
  accept_latency = must(calloc(messages + 1, sizeof(double)));
  transaction_latency = must(calloc(messages + 1, sizeof(double)));
  out_room = 1024 + (pipelining ? 64 * recipients : 0);
  sessions = must(calloc(n, sizeof *sessions));
  if (!idle && n > messages) n = messages;
  started_at = ended_at = now();
  for (int i = 0; i < n; i++) {
    sessions[i].out = must(malloc(out_room));
    open_session(&sessions[i]);
  }
  return idle ? hold(n) : drive();
}
