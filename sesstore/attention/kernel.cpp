// Softmax attention within each sequence of a packed batch, forward and backward, in float32.
//
// Scores never reach memory: a block of queries meets a block of keys, and the products with the
// values follow while the block is in cache (FlashAttention-2, Dao 2023, arXiv 2307.08691). All
// products go through one register tile of TALL x 2 vectors. Exponentials are a polynomial of
// degree 5 (relative error 1e-7), several times faster than a library's, which heads of 24 to 64
// columns spend much of their time in. Heads of one sequence are packed together, so that memory is
// read row by row, and rotary embedding (Su et al. 2021, arXiv 2104.09864), by halves, is done on
// the way: queries and keys are read as the projections left them.
//
// The file is compiled once for each width of vectors (see setup.py); NAME is the module's.

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <immintrin.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

namespace {

#if defined(__AVX512F__)
constexpr int W = 16, TALL = 12, SHORT = 8;
#else
constexpr int W = 8, TALL = 6, SHORT = 4;
#endif
constexpr int PANEL = 2 * W;           // keys of a panel: columns of one register tile
constexpr int ROWS = 96, KEYS = 256;   // queries and keys of a block
constexpr int STEP = KEYS + 16;        // from row to row of a block of scores
constexpr int WIDEST = 512;            // columns of a head
constexpr long CACHE = 1 << 20;        // numbers that are packed at once, about
constexpr float LOG2_E = 1.44269504f, LN_2 = 0.69314718f;

typedef float vec __attribute__((vector_size(W * 4)));
typedef int bits __attribute__((vector_size(W * 4)));
typedef vec anywhere __attribute__((aligned(4), may_alias));

inline vec load(const float* from) { return *reinterpret_cast<const anywhere*>(from); }
inline void store(float* to, vec x) { *reinterpret_cast<anywhere*>(to) = x; }
inline vec all(float x) { return x - vec{}; }
inline long up(long n, long to) { return (n + to - 1) / to * to; }
inline long least(long a, long b) { return a < b ? a : b; }

// The larger of each pair; the second where either is not a number.
inline vec larger(vec a, vec b) {
#if defined(__AVX512F__)
    return _mm512_max_ps(a, b);
#else
    return _mm256_max_ps(a, b);
#endif
}

inline __m128 half(__m128 x) { return _mm_movehl_ps(x, x); }
inline __m128 second(__m128 x) { return _mm_shuffle_ps(x, x, 1); }
#if defined(__AVX512F__)
inline float sum(vec x) { return _mm512_reduce_add_ps(x); }
inline float largest(vec x) { return _mm512_reduce_max_ps(x); }
#else
inline float sum(vec x) {
    __m128 s = _mm256_castps256_ps128(x) + _mm256_extractf128_ps(x, 1);
    s += half(s);
    return _mm_cvtss_f32(s + second(s));
}
inline float largest(vec x) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_max_ps(s, half(s));
    return _mm_cvtss_f32(_mm_max_ps(s, second(s)));
}
#endif

// 2^t for t up to 127, and 0 below -126.5. The polynomial is the minimax one of the relative error
// over half a step about each whole number; adding MAGIC leaves that number in the lowest bits.
inline vec power(vec t) {
    const vec MAGIC = all(12582912.0f + 127.0f);
    t = larger(all(-127.0f), t);
    const vec whole = t + MAGIC, f = t - (whole - MAGIC);
    vec p = all(1.327647173e-3f);
    p = p * f + 9.675541540e-3f;
    p = p * f + 5.550713276e-2f;
    p = p * f + 2.402211972e-1f;
    p = p * f + 6.931469671e-1f;
    p = p * f + 1.000000072f;
    return p * reinterpret_cast<vec>(reinterpret_cast<bits>(whole) << 23);
}

// A matrix as a product reads it: entry (r, k) at from[r * row + k * column].
struct Left {
    const float* from;
    long row, column;
    Left below(long r) const { return {from + r * row, row, column}; }
};

// Rows of numbers, each `step` from the one before.
struct Rows {
    float* at;
    long step;
    Rows below(long r) const { return {at + r * step, step}; }
    Rows right(long c) const { return {at + c, step}; }
};

// out [M, V vectors] (+)= a [M, K] b [K, V vectors], held in registers.
template <int M, int V>
__attribute__((noinline)) void tile(long K, Left a, Rows b, Rows out, bool add) {
    vec held[M][V];
#pragma GCC unroll 16
    for (int m = 0; m < M; m++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) held[m][v] = add ? load(out.at + m * out.step + v * W) : vec{};
    for (long k = 0; k < K; k++) {
        vec right[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) right[v] = load(b.at + v * W);
#pragma GCC unroll 16
        for (int m = 0; m < M; m++) {
            const vec left = all(a.from[m * a.row]);
#pragma GCC unroll 4
            for (int v = 0; v < V; v++) held[m][v] += left * right[v];
        }
        a.from += a.column;
        b.at += b.step;
    }
#pragma GCC unroll 16
    for (int m = 0; m < M; m++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) store(out.at + m * out.step + v * W, held[m][v]);
}

// The same of the last rows, fewer than a tile has.
template <int M, int V>
void last(long left, long K, Left a, Rows b, Rows out, bool add) {
    if constexpr (M > 0) {
        if (left == M) return tile<M, V>(K, a, b, out, add);
        last<M - 1, V>(left, K, a, b, out, add);
    }
}

template <int V>
void columns(long M, long K, Left a, Rows b, Rows out, bool add) {
    constexpr int HIGH = V == 3 ? SHORT : TALL;
    long m = 0;
    for (; m + HIGH <= M; m += HIGH) tile<HIGH, V>(K, a.below(m), b, out.below(m), add);
    last<HIGH - 1, V>(M - m, K, a.below(m), b, out.below(m), add);
}

// out [M, n vectors] (+)= a [M, K] b [K, n vectors]
void product(long M, long n, long K, Left a, Rows b, Rows out, bool add) {
    if (n == 1) return columns<1>(M, K, a, b, out, add);
    long v = 0;
    if (n % 2) {
        columns<3>(M, K, a, b, out, add);
        v = 3;
    }
    for (; v < n; v += 2) columns<2>(M, K, a, b.right(v * W), out.right(v * W), add);
}

// The widths a head of `columns` columns is packed in.
struct Widths {
    long columns, panel, step, vectors;
    explicit Widths(long n) : columns(n), panel(up(n, 8)), step(up(n, W)), vectors(step / W) {
        if (step % 64 == 0) step += 16;  // rows a power of two apart would share few lines of cache
    }
};

// out [M, N] = a [M, head] times N keys in panels.
void scores(long M, long N, const Widths& w, Rows a, float* panels, Rows out) {
    for (long j = 0; j < N; j += PANEL)
        columns<2>(M, w.columns, {a.at, a.step, 1}, {panels + j * w.panel, PANEL}, out.right(j),
                   false);
}

// Do something to n numbers, in steps of eight, four and one.
template <class Do>
inline void each(long n, Do step) {
    long d = 0;
    for (; d + 8 <= n; d += 8) step(d, __m256{});
    if (d + 4 <= n) step(d, __m128{}), d += 4;
    for (; d < n; d++) step(d, 0.0f);
}
inline void get(const float* from, __m256& x) { x = _mm256_loadu_ps(from); }
inline void get(const float* from, __m128& x) { x = _mm_loadu_ps(from); }
inline void get(const float* from, float& x) { x = *from; }
inline void put(float* to, __m256 x) { _mm256_storeu_ps(to, x); }
inline void put(float* to, __m128 x) { _mm_storeu_ps(to, x); }
inline void put(float* to, float x) { *to = x; }

// One row of a head, turned by its place's cosines and sines (if any) and scaled, zeros behind.
inline void row(const float* x, const float* turn, long n, float by, float side, float* to,
                long width) {
    if (turn) {
        const long half = n / 2;
        each(half, [=](long d, auto a) {
            auto b = a, c = a, s = a;
            get(x + d, a), get(x + half + d, b), get(turn + d, c), get(turn + half + d, s);
            c *= by, s *= by * side;
            put(to + d, a * c - b * s);
            put(to + half + d, b * c + a * s);
        });
    } else {
        each(n, [=](long d, auto a) {
            get(x + d, a);
            put(to + d, a * by);
        });
    }
    for (long d = n; d < width; d++) to[d] = 0;
}

inline float dot(const float* a, const float* b, long n) {
    __m256 eight{};
    float one = 0;
    long d = 0;
    for (; d + 8 <= n; d += 8) eight += _mm256_loadu_ps(a + d) * _mm256_loadu_ps(b + d);
    for (; d < n; d++) one += a[d] * b[d];
    for (d = 0; d < 8; d++) one += eight[d];
    return one;
}

// Eight rows of eight columns, turned over.
inline void turned_over(const float* from, long step, float* to) {
    __m256 a[8], b[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(from + i * step);
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xEE);
        a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xEE);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(to + i * PANEL, _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
        _mm256_storeu_ps(to + (i + 4) * PANEL, _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
    }
}

// Put rows i to i + 8, `panel` wide, into panels of keys.
inline void panelled(const float* from, long step, long panel, long i, float* panels) {
    float* to = panels + i / PANEL * PANEL * panel + i % PANEL;
    for (long d = 0; d < panel; d += 8) turned_over(from + d, step, to + d * PANEL);
}

// What is asked for. Rows of q, k and v are `of_q` and `of_kv` apart, all others d.
struct Task {
    const float *q, *k, *v;
    long of_q, of_kv;
    const float *turns, *bias;  // either may be absent
    long reach;                 // of the bias: longest - 1
    const long* lengths;
    long sequences, heads, columns, first_head, last_head;
    float scale;
    float *out, *logs;  // logs [T, heads] in units of log 2, or absent
    const float* grad;
    float *dq, *dk, *dv;
    long of_dkv;

    long longest() const {
        long most = 0;
        for (long b = 0; b < sequences; b++) most = lengths[b] > most ? lengths[b] : most;
        return most;
    }
    const float* turn(long place) const { return turns ? turns + place * columns : nullptr; }
    long width() const { return heads * columns; }
};

// Heads of one sequence that are packed at once, if one takes `each` numbers.
inline long group(const Task& task, long each) {
    const long fit = CACHE / each;
    return least(fit > 1 ? fit : 1, task.last_head - task.first_head);
}

// Make a block of scores the exponentials of what they are short of the largest seen in their row;
// sums and what is summed up already follow.
inline void softmax(long M, long N, bool begun, Rows scores, float* top, float* total, Rows out,
                    long vectors, const float* bias) {
    const long whole = up(N, W);
    for (long r = 0; r < M; r++) {
        float* s = scores.at + r * scores.step;
        if (bias)
            for (long n = 0; n < N; n++) s[n] += (bias - r)[n] * LOG2_E;
        for (long n = N; n < whole; n++) s[n] = -INFINITY;
        vec m0 = all(top[r]), m1 = m0;
        long n = 0;
        for (; n + PANEL <= whole; n += PANEL) {
            m0 = larger(m0, load(s + n));
            m1 = larger(m1, load(s + n + W));
        }
        if (n < whole) m0 = larger(m0, load(s + n));
        const float most = largest(larger(m0, m1));
        if (begun && most != top[r]) {
            const float less = exp2f(top[r] - most);
            total[r] *= less;
            for (long v = 0; v < vectors; v++) {
                float* o = out.at + r * out.step + v * W;
                store(o, load(o) * less);
            }
        }
        top[r] = most;
        vec s0 = {}, s1 = {};
        for (n = 0; n + PANEL <= whole; n += PANEL) {
            const vec a = power(load(s + n) - most), b = power(load(s + n + W) - most);
            store(s + n, a);
            store(s + n + W, b);
            s0 += a;
            s1 += b;
        }
        if (n < whole) {
            const vec a = power(load(s + n) - most);
            store(s + n, a);
            s0 += a;
        }
        total[r] += sum(s0 + s1);
    }
}

inline float* room(long numbers) {
    return static_cast<float*>(aligned_alloc(64, up(numbers * sizeof(float), 64)));
}

// Where a head's packed queries, values and panels of keys begin in the forward pass.
struct Packed {
    float *q, *v, *keys;
    Packed(float* at, long natural) : q(at), v(at + natural), keys(at + 2 * natural) {}
};

// Read eight rows (fewer at the end) of some heads; `some` has room for their keys.
void pack(const Task& task, const Widths& w, long first, long L, long i, long h, long count,
          float* space, long natural, long each, float* some) {
    const long n = least(8, L > i ? L - i : 0);
    for (long r = 0; r < n; r++) {
        const long place = i + r, from = first + place, at = h * w.columns;
        const float* turn = task.turn(place);
        const float *q = task.q + from * task.of_q + at, *k = task.k + from * task.of_kv + at,
                    *v = task.v + from * task.of_kv + at;
        for (long g = 0; g < count; g++)
            row(q + g * w.columns, turn, w.columns, task.scale * LOG2_E, 1,
                Packed(space + g * each, natural).q + place * w.step, w.step);
        for (long g = 0; g < count; g++)
            row(k + g * w.columns, turn, w.columns, 1, 1, some + (g * 8 + r) * w.panel, w.panel);
        for (long g = 0; g < count; g++)
            row(v + g * w.columns, nullptr, w.columns, 1, 1,
                Packed(space + g * each, natural).v + place * w.step, w.step);
    }
    for (long g = 0; g < count; g++) {
        float* keys = some + g * 8 * w.panel;
        memset(keys + n * w.panel, 0, (8 - n) * w.panel * sizeof(float));
        panelled(keys, w.panel, w.panel, i, Packed(space + g * each, natural).keys);
    }
}

// Attend with one head of one sequence, whose rows begin at `first`.
void attend(const Task& task, const Widths& w, long first, long L, long h, const Packed& head,
            Rows block, Rows sums) {
    const float* bias = nullptr;
    if (task.bias) bias = task.bias + h * (2 * task.reach + 1) + task.reach;
    for (long i = 0; i < L; i += ROWS) {
        const long M = least(ROWS, L - i);
        float top[ROWS], total[ROWS];
        for (long r = 0; r < M; r++) top[r] = -INFINITY, total[r] = 0;
        for (long j = 0; j < L; j += KEYS) {
            const long N = least(KEYS, L - j);
            scores(M, N, w, {head.q + i * w.step, w.step}, head.keys + j * w.panel, block);
            softmax(M, N, j > 0, block, top, total, sums, w.vectors, bias ? bias + j - i : nullptr);
            product(M, w.vectors, N, {block.at, STEP, 1}, {head.v + j * w.step, w.step}, sums,
                    j > 0);
        }
        for (long r = 0; r < M; r++) {
            const long at = first + i + r;
            row(sums.below(r).at, nullptr, w.columns, 1 / total[r], 1,
                task.out + at * task.width() + h * w.columns, w.columns);
            if (task.logs) task.logs[at * task.heads + h] = top[r] + log2f(total[r]);
        }
    }
}

bool forward(const Task& task) {
    const Widths w(task.columns);
    const long longest = task.longest(), panels = up(longest, PANEL) * w.panel;
    const long natural = up(longest, 8) * w.step, each = 2 * natural + panels;
    const long together = group(task, each);
    float* space = room(together * (each + 8 * w.panel) + ROWS * (STEP + w.step));
    if (!space) return false;
    const Rows block{space + together * each, STEP}, sums{block.at + ROWS * STEP, w.step};
    float* some = sums.at + ROWS * w.step;
    long first = 0;
    for (long b = 0; b < task.sequences; first += task.lengths[b++]) {
        const long L = task.lengths[b];
        for (long h = task.first_head; h < task.last_head; h += together) {
            const long count = least(together, task.last_head - h);
            for (long i = 0; i < up(L, PANEL); i += 8)
                pack(task, w, first, L, i, h, count, space, natural, each, some);
            for (long g = 0; g < count; g++)
                attend(task, w, first, L, h + g, Packed(space + g * each, natural), block, sums);
        }
    }
    free(space);
    return true;
}

// A head's arrays in the backward pass.
struct Head {
    Rows q, k, grad, dq, dk, dv;
    float *keys, *values, *delta;
    Head(float* at, long natural, long panels, long step)
        : q{at, step}, k{at + natural, step}, grad{at + 2 * natural, step},
          dq{at + 3 * natural, step}, dk{at + 4 * natural, step}, dv{at + 5 * natural, step},
          keys(at + 6 * natural), values(keys + panels), delta(values + panels) {}
};

// Read eight rows of a head (fewer at the end) into its arrays.
void pack(const Task& task, const Widths& w, long first, long L, long i, long h, const Head& head) {
    float some[8 * WIDEST] __attribute__((aligned(64)));
    const long at = h * w.columns, n = least(8, L > i ? L - i : 0);
    for (long r = 0; r < n; r++) {
        const long place = i + r, from = first + place;
        const float* turn = task.turn(place);
        const float *grad = task.grad + from * task.width() + at,
                    *out = task.out + from * task.width() + at;
        row(task.q + from * task.of_q + at, turn, w.columns, task.scale * LOG2_E, 1,
            head.q.below(place).at, w.step);
        row(task.k + from * task.of_kv + at, turn, w.columns, 1, 1, head.k.below(place).at, w.step);
        row(task.v + from * task.of_kv + at, nullptr, w.columns, 1, 1, some + r * w.panel, w.panel);
        row(grad, nullptr, w.columns, 1, 1, head.grad.below(place).at, w.step);
        head.delta[place] = dot(grad, out, w.columns);
    }
    memset(some + n * w.panel, 0, (8 - n) * w.panel * sizeof(float));
    panelled(some, w.panel, w.panel, i, head.values);
    if (n) {
        for (long r = n; r < 8; r++) memset(head.k.below(i + r).at, 0, w.step * sizeof(float));
        panelled(head.k.below(i).at, w.step, w.panel, i, head.keys);
    } else {
        panelled(some, w.panel, w.panel, i, head.keys);
    }
}

// Gradients of one head of one sequence; `logs` of its first row, `apart` from row to row.
void differentiate(const Widths& w, long L, const Head& head, const float* logs, long apart,
                   Rows block, Rows slope) {
    for (long j = 0; j < L; j += KEYS) {
        const long N = least(KEYS, L - j);
        for (long i = 0; i < L; i += ROWS) {
            const long M = least(ROWS, L - i);
            scores(M, N, w, head.q.below(i), head.keys + j * w.panel, block);
            scores(M, N, w, head.grad.below(i), head.values + j * w.panel, slope);
            for (long r = 0; r < M; r++) {
                float *s = block.below(r).at, *t = slope.below(r).at;
                const float log = logs[(i + r) * apart], delta = head.delta[i + r];
                for (long n = 0; n < N; n += W) {
                    const vec p = power(load(s + n) - log);
                    store(s + n, p);
                    store(t + n, p * (load(t + n) - delta));
                }
            }
            product(N, w.vectors, M, {block.at, 1, STEP}, head.grad.below(i), head.dv.below(j), i > 0);
            product(N, w.vectors, M, {slope.at, 1, STEP}, head.q.below(i), head.dk.below(j), i > 0);
            product(M, w.vectors, N, {slope.at, STEP, 1}, head.k.below(j), head.dq.below(i), j > 0);
        }
    }
}

bool backward(const Task& task) {
    const Widths w(task.columns);
    const long longest = task.longest(), panels = up(longest, PANEL) * w.panel;
    const long natural = up(longest, 8) * w.step;
    const long each = 6 * natural + 2 * panels + up(longest, 16), together = group(task, each);
    float* space = room(together * each + 2 * ROWS * STEP);
    if (!space) return false;
    const Rows block{space + together * each, STEP}, slope{block.at + ROWS * STEP, STEP};
    long first = 0;
    for (long b = 0; b < task.sequences; first += task.lengths[b++]) {
        const long L = task.lengths[b];
        for (long h = task.first_head; h < task.last_head; h += together) {
            const long count = least(together, task.last_head - h);
            for (long i = 0; i < up(L, PANEL); i += 8)
                for (long g = 0; g < count; g++)
                    pack(task, w, first, L, i, h + g, Head(space + g * each, natural, panels, w.step));
            for (long g = 0; g < count; g++)
                differentiate(w, L, Head(space + g * each, natural, panels, w.step),
                              task.logs + first * task.heads + h + g, task.heads, block, slope);
            for (long i = 0; i < L; i++) {
                const float* turn = task.turn(i);
                for (long g = 0; g < count; g++) {
                    const Head head(space + g * each, natural, panels, w.step);
                    const long at = (h + g) * w.columns, to = first + i;
                    // Queries were scaled by scale / ln 2 when they were packed.
                    row(head.dq.below(i).at, turn, w.columns, task.scale, -1,
                        task.dq + to * task.width() + at, w.columns);
                    row(head.dk.below(i).at, turn, w.columns, LN_2, -1,
                        task.dk + to * task.of_dkv + at, w.columns);
                    row(head.dv.below(i).at, nullptr, w.columns, 1, 1,
                        task.dv + to * task.of_dkv + at, w.columns);
                }
            }
        }
    }
    free(space);
    return true;
}

// Addresses come as numbers, 0 for what is absent; Python checks what they point to.
PyObject* call(PyObject* args, bool (*work)(const Task&)) {
    unsigned long long at[12];
    Task t = {};
    float scale;
    if (!PyArg_ParseTuple(args, "(KKKKKKKKKKKK)nnnnnnnnnf", &at[0], &at[1], &at[2], &at[3], &at[4],
                          &at[5], &at[6], &at[7], &at[8], &at[9], &at[10], &at[11], &t.of_q,
                          &t.of_kv, &t.of_dkv, &t.reach, &t.sequences, &t.heads, &t.columns,
                          &t.first_head, &t.last_head, &scale))
        return nullptr;
    t.scale = scale;
    const auto numbers = [&](int i) { return reinterpret_cast<float*>(at[i]); };
    t.q = numbers(0), t.k = numbers(1), t.v = numbers(2), t.turns = numbers(3), t.bias = numbers(4);
    t.lengths = reinterpret_cast<const long*>(at[5]);
    t.out = numbers(6), t.logs = numbers(7), t.grad = numbers(8);
    t.dq = numbers(9), t.dk = numbers(10), t.dv = numbers(11);
    bool done;
    Py_BEGIN_ALLOW_THREADS
    done = work(t);
    Py_END_ALLOW_THREADS
    if (!done) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

PyObject* call_forward(PyObject*, PyObject* args) { return call(args, forward); }
PyObject* call_backward(PyObject*, PyObject* args) { return call(args, backward); }

PyMethodDef METHODS[] = {
    {"forward", call_forward, METH_VARARGS, "Attend."},
    {"backward", call_backward, METH_VARARGS, "Gradients of queries, keys and values."},
    {nullptr, nullptr, 0, nullptr},
};

#define TEXT(x) #x
#define QUOTED(x) TEXT(x)
PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, QUOTED(NAME), nullptr, -1, METHODS,
                      nullptr, nullptr, nullptr, nullptr};

}  // namespace

#define JOINED(a, b) a##b
#define INIT(name) JOINED(PyInit_, name)
PyMODINIT_FUNC INIT(NAME)(void) {
    PyObject* module = PyModule_Create(&MODULE);
    if (module) PyModule_AddIntConstant(module, "WIDEST", WIDEST);
    return module;
}
