/* The driver: W lanes, each with a cell of its own: its own time, step size, mask and outcome. A lane that has finished
 * stores its cell and takes the next one, so that nobody waits for the slowest. Every operation is lane by lane, so what
 * a cell computes depends on that cell alone, whoever its neighbours are and whichever thread it lands on. */

enum { EMPTY = -3, WAITING = -2, RUNNING = -1, DONE = 0, EVENT = 1, GAVE_UP = 2, NONFINITE = 3, UNUSABLE = 4 };

typedef struct {
  int64_t n;                          /* cells */
  int64_t next;                       /* first cell that no lane has taken yet */
  const double *y_in, *u, *dt, *h_in; /* (n, NY), (n, NU), (n,), (n,) */
  double rtol, atol, otol, h_max;
  int64_t max_tries;
  double *y_out, *h_out, *out, *low, *high, *time; /* (n, NY), (n,), (n, NO), (n, NX), (n, NX), (n,) */
  int32_t *status, *event, *tries; /* (n,) each; event: which one ended the step, -1 none */
} Job;

#define FOR for (int i = 0; i < NY; i++)

typedef struct { /* what `begin` finds at a state: derivatives, Jacobian, outputs, events, slopes of watched outputs */
  vd f[NY], J[NJ + 1], o[NO + 1], g[NG + 1], s[NS + 1];
} Look;

typedef struct {
  Look at, kept;
  vd y[NY], old[NY], next[NY], stage[NY], error[NY], extra[NY], f_old[NY], r[NY], k[STAGES][NY];
  vd u[NU + 1], p[NP + 1], A[NA + 1], g[NG + 1], low[NX + 1], high[NX + 1];
  vd t, dt, h, taken, first;
  vi status, event, tries, cell;
} Lanes;

INLINE int any_(vi mask) { int64_t r = 0; for (int l = 0; l < W; l++) r |= mask[l]; return r != 0; }
INLINE vi choose(vi mask, int64_t yes, vi no) { return (vi)select_(mask, (vd)spliti(yes), (vd)no); }

INLINE void look(Lanes *s) { begin(s->y, s->u, s->p, s->at.f, s->at.J, s->at.o, s->at.g, s->at.s); }

/* Look again where lanes were moved. The others keep what they had, to the bit: they may have been corrected since, and
 * must not notice what happens to their neighbours. */
static void look_again(Lanes *s, vi moved) {
  s->kept = s->at;
  look(s);
  vd *new = (vd *)&s->at, *kept = (vd *)&s->kept;
  for (size_t i = 0; i < sizeof(Look) / sizeof(vd); i++) new[i] = select_(moved, new[i], kept[i]);
}

static void load(Lanes *s, const Job *job, int l, int64_t cell) {
  int usable = isfinite(job->dt[cell]) && job->dt[cell] >= 0;
  for (int i = 0; i < NY; i++) { double v = job->y_in[cell * NY + i]; s->y[i][l] = v; usable &= isfinite(v) != 0; }
  for (int i = 0; i < NU; i++) { double v = job->u[cell * NU + i]; s->u[i][l] = v; usable &= isfinite(v) != 0; }
  for (int i = 0; i < NX; i++) { s->low[i][l] = INFINITY; s->high[i][l] = -INFINITY; }
  s->dt[l] = job->dt[cell];
  s->h[l] = fmin(job->h_in[cell] > 0 ? job->h_in[cell] : 0.1, job->h_max);
  s->status[l] = usable ? WAITING : UNUSABLE;
  s->t[l] = s->first[l] = s->taken[l] = 0;
  s->event[l] = -1;
  s->tries[l] = 0;
  s->cell[l] = cell;
}

static void store(const Lanes *s, Job *job, int l) {
  int64_t cell = s->cell[l];
  for (int i = 0; i < NY; i++) job->y_out[cell * NY + i] = s->y[i][l];
  for (int i = 0; i < NO; i++) job->out[cell * NO + i] = s->at.o[i][l];
  for (int i = 0; i < NX; i++) { job->low[cell * NX + i] = s->low[i][l]; job->high[cell * NX + i] = s->high[i][l]; }
  job->h_out[cell] = s->first[l] > 0 ? s->first[l] : s->h[l];
  job->time[cell] = s->t[l];
  job->status[cell] = (int32_t)s->status[l];
  job->event[cell] = (int32_t)s->event[l];
  job->tries[cell] = (int32_t)s->tries[l];
}

/* Store the cells that have ended, take new ones. Returns whether any lane has a cell. */
static int refill(Lanes *s, Job *job) {
  int busy = 0, changed = 0;
  for (int l = 0; l < W; l++) {
    if (s->status[l] >= DONE) store(s, job, l);
    if (s->status[l] >= DONE || s->status[l] == EMPTY) {
      s->status[l] = EMPTY;
      int64_t cell = __atomic_fetch_add(&job->next, 1, __ATOMIC_RELAXED);
      if (cell < job->n) { load(s, job, l, cell); changed = 1; }
    }
    busy |= s->status[l] != EMPTY;
  }
  if (changed) prepare(s->u, s->p);
  return busy;
}

/* The state at fraction q of the last step, in `stage`: the cubic through both ends with their slopes (Hermite), linear
 * for algebraic states. */
static void dense(Lanes *s, vd q) {
  vd slope = s->taken * q * (1.0 - q);
  FOR {
    vd change = s->y[i] - s->old[i], line = s->old[i] + q * change;
    vd bend = slope * ((1.0 - q) * s->f_old[i] - q * s->at.f[i]) - q * (1.0 - q) * (1.0 - 2.0 * q) * change;
    s->stage[i] = line + MASS(i) * bend;
  }
}

/* Where an event function fell through zero in the last step: bisect for the time, move the lane there and end it. */
static void locate(Lanes *s, vi crossed) {
  vd left = splat(0.0), right = splat(1.0);
  vi which = spliti(-1);
  for (int n = 0; n < 40; n++) {
    vd middle = 0.5 * (left + right), lowest = splat(INFINITY);
    dense(s, middle);
    events(s->stage, s->u, s->p, s->g);
    for (int i = 0; i < NG; i++) lowest = min_(s->g[i], lowest);
    vi below = lowest <= 0.0;
    right = select_(below, middle, right);
    left = select_(below, left, middle);
  }
  dense(s, right);
  events(s->stage, s->u, s->p, s->g);
  for (int i = NG - 1; i >= 0; i--) which = choose(s->g[i] <= 0.0, i, which);
  FOR s->y[i] = select_(crossed, s->stage[i], s->y[i]);
  s->t = select_(crossed, s->t - (1.0 - right) * s->taken, s->t);
  s->event = (vi)select_(crossed, (vd)which, (vd)s->event);
  s->status = choose(crossed, EVENT, s->status);
}

/* Look at states that lanes have just reached, or start from: extremes, events, the end. */
static void watch(Lanes *s, vi reached, vi started) {
  vi seen = reached | started, crossed = seen & 0;
  for (int i = 0; i < NG; i++) crossed |= seen & (s->at.g[i] <= 0.0);
  if (NG && any_(crossed & reached)) {
    locate(s, crossed & reached);
    look_again(s, crossed & reached);
  }
  if (NG && any_(crossed & started)) {
    for (int i = NG - 1; i >= 0; i--) s->event = choose(crossed & started & (s->at.g[i] <= 0.0), i, s->event);
    s->status = choose(crossed & started, EVENT, s->status);
  }
  static const int watched[NX + 1] = WATCHED;
  for (int i = 0; i < NX; i++) {
    vd x = s->at.o[watched[i]];
    s->low[i] = select_(seen, min_(x, s->low[i]), s->low[i]);
    s->high[i] = select_(seen, max_(x, s->high[i]), s->high[i]);
  }
}

/* What held rows missed in the last step: their right-hand side came out as f instead of f_old + J_ii (y - y_old). If the
 * difference d grew linearly, y misses h phi_2(h J_ii) d; phi_2(z) = 1/2 + z/6 + ... ~ 1 / (2 - 2 z / 3). */
static vd missed(const Lanes *s, int i, vd slope) {
  vd d = s->at.f[i] - s->f_old[i] - slope * (s->y[i] - s->old[i]);
  return s->taken * d / (2.0 - (2.0 / 3.0) * slope * s->taken);
}

/* To first order, what the last attempt's error does to the watched outputs, with the slopes last seen. */
static vd output_error(const Lanes *L) {
  const vd *s = L->at.s, *error = L->error;
  vd worst = splat(0.0);
  OUTPUT_ERRORS
  return worst;
}

/* Second thoughts about a step, now that its end has been seen: correct held rows, and refuse it where the correction is
 * too large to be trusted, or where watched outputs have become so steep that the error matters after all. Returns the
 * refused lanes, put back to where they came from. */
static vi review(Lanes *s, const Job *job, vi reached) {
  static const int held[NH + 1] = HELD, entry[NH + 1] = HELD_ENTRY;
  vd worst = splat(0.0), steep = output_error(s) * (1.0 / job->otol);
  for (int j = 0; j < NH; j++) {
    int i = held[j];
    vd weight = job->atol + job->rtol * max_(abs_(s->y[i]), abs_(s->old[i]));
    worst = max_(abs_(missed(s, i, s->at.J[entry[j]])) / weight, worst);
  }
  vi refused = reached & ((worst > 10.0 * HELD_CHANGE) | (steep > 2.0));
  /* the correction grows with the square of the step: aim at HELD_CHANGE */
  vd aim = s->taken * max_(sqrt_(HELD_CHANGE / max_(worst, splat(1e-10))), splat(0.2));
  if (NH) s->h = select_(reached, min_(s->h, aim), s->h);
  for (int j = 0; j < NH; j++) {
    int i = held[j];
    vd change = select_(reached & ~refused, missed(s, i, s->at.J[entry[j]]), splat(0.0));
    s->y[i] += change;
    PATCH
  }
  if (any_(refused)) {
    FOR s->y[i] = select_(refused, s->old[i], s->y[i]);
    s->t = select_(refused, s->t - s->taken, s->t);
    s->h = select_(refused, 0.3 * s->taken, s->h);
    s->first = select_(refused & (s->t <= 0.0), splat(0.0), s->first);
    s->status = choose(refused & (s->tries >= job->max_tries), GAVE_UP, s->status);
    look_again(s, refused);
  }
  return refused;
}

/* One attempted step of the running lanes; returns the lanes that accepted it. */
static vi attempt(Lanes *L, const Job *job, vi active, vd h) {
  vd *restrict y = L->y, *restrict next = L->next, *restrict stage = L->stage, *restrict error = L->error, *restrict r = L->r;
  vd *restrict extra = L->extra;
  const vd *restrict f = L->at.f, *u = L->u, *p = L->p;
  vd *A = L->A;
  STAGE_K
  vd ih = 1.0 / h;
  factor(L->at.J, ih * IGAMMA, A);
  STEP
  vd sum = splat(0.0);
  FOR {
    vd weight = job->atol + job->rtol * max_(abs_(y[i]), abs_(next[i]));
    vd e = error[i] / weight;
    sum += e * e;
  }
  vd worst = output_error(L);
  vi bad = ~(sum < 1e100) | ~(worst < 1e50);
  vd e = select_(bad, splat(1e6), max_(sqrt_(sum * (1.0 / NY)), worst * (1.0 / job->otol)));
  vi accepted = active & (e <= 1.0);
  vd grow = ROOT(max_(e, splat(1e-10)));
  grow = min_(max_(0.9 / grow, splat(0.1)), splat(8.0));
  FOR {
    L->old[i] = select_(accepted, y[i], L->old[i]);
    L->f_old[i] = select_(accepted, f[i], L->f_old[i]);
    y[i] = select_(accepted, next[i], y[i]);
  }
  L->t = select_(accepted, L->t + h, L->t);
  L->taken = select_(accepted, h, L->taken);
  L->tries += active & 1;
  vd planned = min_(h * grow, splat(job->h_max));
  vi shortened = accepted & (h < L->h) & (planned < L->h); /* a step cut short by the end says little */
  L->first = select_(accepted & (L->first <= 0.0), planned, L->first);
  L->h = select_(active & ~shortened, planned, L->h);
  vi hopeless = active & ~accepted & ((L->tries >= job->max_tries) | (L->h < 1e-9 * L->dt));
  L->status = choose(hopeless & bad, NONFINITE, choose(hopeless, GAVE_UP, L->status));
  return accepted;
}

/* Advance cells until none is left. Several threads may run this on one job. */
void advance(Job *job) {
  static _Thread_local Lanes lanes; /* zero at first; what an earlier call left in idle lanes is harmless */
  Lanes *s = &lanes;
  s->status = spliti(EMPTY);
  vi reached = spliti(0);
  while (refill(s, job)) {
    look(s);
    vi started = s->status == WAITING;
    s->status = choose(started, RUNNING, s->status);
    reached &= ~review(s, job, reached);
    watch(s, reached, started);
    vd left = s->dt - s->t;
    vi ended = (s->status == RUNNING) & (left <= 1e-9 * s->dt);
    s->status = choose(ended, DONE, s->status);
    for (int i = 0; i < NO; i++) s->status = choose(ended & ~(s->at.o[i] - s->at.o[i] == 0.0), NONFINITE, s->status);
    vi active = s->status == RUNNING;
    reached = active & 0;
    if (!any_(active)) continue;
    vd h = select_(s->h < left, select_(2.0 * s->h > left, 0.5 * left, s->h), left);
    reached = attempt(s, job, active, select_(active, h, splat(1e-3))); /* idle lanes repeat a harmless step */
  }
}

/* The outputs of n states, without a step: (n, NY), (n, NU) -> (n, NO). */
void observe(int64_t n, const double *y_in, const double *u_in, double *out) {
  vd y[NY], u[NU + 1], p[NP + 1], o[NO + 1];
  for (int64_t group = 0; group * W < n; group++) {
    for (int l = 0; l < W; l++) {
      int64_t cell = group * W + l < n ? group * W + l : n - 1;
      for (int i = 0; i < NY; i++) y[i][l] = y_in[cell * NY + i];
      for (int i = 0; i < NU; i++) u[i][l] = u_in[cell * NU + i];
    }
    prepare(u, p);
    outputs(y, u, p, o);
    for (int l = 0; l < W && group * W + l < n; l++)
      for (int i = 0; i < NO; i++) out[(group * W + l) * NO + i] = o[i][l];
  }
}

/* The states of n cells at rest: (n, NU) -> (n, NY). */
void start(int64_t n, const double *u_in, double *y_out) {
  vd y[NY], u[NU + 1];
  for (int64_t group = 0; group * W < n; group++) {
    for (int l = 0; l < W; l++) {
      int64_t cell = group * W + l < n ? group * W + l : n - 1;
      for (int i = 0; i < NU; i++) u[i][l] = u_in[cell * NU + i];
    }
    initial(u, y);
    for (int l = 0; l < W && group * W + l < n; l++)
      for (int i = 0; i < NY; i++) y_out[(group * W + l) * NY + i] = y[i][l];
  }
}
