/* Registers and state machines of the array, clocked cycle by cycle. */
#include "oracle/array_clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle/formats.h"
#include "oracle/fxp.h"

__extension__ typedef __int128 wide; /* sums of minifloats */

enum { MAX_LANES = 64, MAX_MULS = 64, MAX_STAGES = 16, UNDEFINED = INT32_MIN };

static void *need(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        abort();
    return p;
}

#define REQUIRE(condition)                                                                       \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            fprintf(stderr, "array_clock.c:%d: broken: %s (cycle %llu)\n", __LINE__, #condition, \
                    (unsigned long long)m->t);                                                   \
            abort();                                                                             \
        }                                                                                        \
    } while (0)

/* splitmix64's finalizer, from the paper's constants. */
static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z ^= z >> 30;
    z *= 0xbf58476d1ce4e5b9u;
    z ^= z >> 27;
    z *= 0x94d049bb133111ebu;
    z ^= z >> 31;
    return z;
}

/* Bit by bit. */
static wide wide_at(const uint8_t *string, int64_t first, int n)
{
    wide value = 0;
    for (int i = 0; i < n; i++)
        if (string[(first + i) / 8] >> ((first + i) % 8) & 1)
            value += i == n - 1 ? -((wide)1 << i) : (wide)1 << i;
    return value;
}

static int64_t bits_at(const uint8_t *string, int64_t first, int n)
{
    return (int64_t)wide_at(string, first, n);
}

/* A sign and a magnitude, as minifloats are, from the word's two's complement reading; and back. */
static int32_t code_of_word(int64_t word, int bits)
{
    return (int32_t)(word < 0 ? -(word + (INT64_C(1) << (bits - 1))) : word);
}

static int64_t word_of_code(int32_t code, int bits)
{
    return code < 0 ? -(int64_t)code - (INT64_C(1) << (bits - 1)) : code;
}

static void set_bits(uint8_t *string, int64_t first, int n, int64_t value)
{
    for (int i = 0; i < n; i++) {
        const int bit = (int)((uint64_t)value >> i & 1);
        string[(first + i) / 8] = (uint8_t)((string[(first + i) / 8] & ~(1 << (first + i) % 8)) |
                                            bit << (first + i) % 8);
    }
}

/* A beat on its way from memory to a buffer. */
typedef struct flight {
    uint64_t answer;
    bool to_weights, last;
    int half;
    int64_t beat; /* of its phase */
    uint8_t data[128];
} flight;

/* One step in the pipeline. */
typedef struct step {
    bool valid, first, last_of_position, last_of_window, last_of_tile;
    bool outside;     /* of the map, where such positions lose (mode 2) */
    int scale, shift; /* of its window */
    int weight_half, lanes;
    int descriptor, group;
    int64_t element; /* of the output buffer */
    int out_half;
    wide bias[MAX_LANES], sum[MAX_LANES];
    int channel_shift[MAX_LANES];
} step;

typedef struct result {
    bool valid, first_of_window, last_of_window, last_of_tile;
    int lanes, descriptor, out_half;
    int64_t element;
    bool is_unsigned;
    int32_t value[MAX_LANES];
    uint32_t saturations, overflows;
} result;

enum state { IDLE, FETCH, GUARD, ISSUE, WAIT, RUN, READ_BUFFER, PRESENT };

typedef struct machine {
    const rs_program *program;
    const rs_array_config *config;
    const rs_program_segment *segment;
    uint8_t *memory;
    uint64_t t, run_number;
    int L, X, T, E, beat_bytes;

    /* flags (registers) */
    bool weights_busy[2], weights_full[2], ifmap_busy[2], ifmap_full[2], out_busy[2], out_full[2];
    int stored;

    /* loader */
    enum state loader;
    int l_descriptor, l_phase, l_weight_half; /* phase 0: weights of group 0; 1: ifmap; p: weights of group p - 1 */
    int64_t l_beat, l_beats, l_address;
    int outstanding;
    flight *flights;
    size_t f_head, f_count;

    /* buffers */
    int32_t *ifmap[2];   /* by element; banks do not change values */
    uint8_t *weights[2]; /* beats of a group */
    int32_t *out[2];

    /* sequencer */
    enum state sequencer;
    int s_descriptor, s_group, s_weight_half;
    int oy, ox, wy, wx, s1, s2, ch;
    int free_countdown[2]; /* cycles until weights_busy of the half is cleared; -1: none pending */

    step pipe[MAX_STAGES];
    wide accumulator[MAX_LANES];
    uint32_t position_overflows;
    result rounded, pooled;
    struct {
        bool valid, last_of_position, last_of_window, last_of_tile, outside;
        int scale, shift;
        int lanes, descriptor, out_half;
        int64_t element;
        wide sum[MAX_LANES];
        int channel_shift[MAX_LANES];
        uint32_t overflows;
    } summed;
    bool window_open;

    /* storer */
    enum state storer;
    int d_descriptor;
    int64_t d_beat;
    bool done;

    rs_oracle_minifloat numbers; /* of an array of minifloats */
    rs_event_sink sink;
    void *context;
    rs_oracle_run *totals;
} machine;

static const rs_descriptor *descriptor(const machine *m, int i)
{
    return &m->program->descriptors[i];
}

/* Which half of a double buffer a descriptor uses. */
static int half(const machine *m, int d)
{
    return (d - m->segment->first) % 2;
}

static bool last_of_set(const rs_descriptor *d, int group)
{
    return (group + 1) % d->groups_per_set == 0;
}

static int group_lanes(const machine *m, const rs_descriptor *d, int group)
{
    return group == d->groups - 1 ? d->lanes_last : last_of_set(d, group) ? d->lanes_set : m->L;
}

static int64_t weight_beats(const rs_descriptor *d, int group)
{
    return last_of_set(d, group) ? d->bias_beats_last + (int64_t)d->steps * d->step_beats_last
                                 : d->bias_beats + (int64_t)d->steps * d->step_beats;
}

/* ------------------------------------------------------------------------------------------------- loader */

static void phase_extent(machine *m)
{
    const rs_descriptor *d = descriptor(m, m->l_descriptor);
    if (m->l_phase == 1) {
        m->l_address = d->ifmap_addr;
        m->l_beats = (int64_t)d->ifmap_beats + d->second_beats;
        return;
    }
    const int group = m->l_phase == 0 ? 0 : m->l_phase - 1;
    m->l_address = d->weight_addr;
    for (int g = 0; g < group; g++)
        m->l_address += weight_beats(d, g);
    m->l_beats = weight_beats(d, group);
}

/* Address of beat l_beat of the phase. */
static int64_t phase_address(const machine *m)
{
    const rs_descriptor *d = descriptor(m, m->l_descriptor);
    if (m->l_phase == 1 && m->l_beat >= d->ifmap_beats)
        return d->second_addr + m->l_beat - d->ifmap_beats;
    return m->l_address + m->l_beat;
}

static void beat_arrives(machine *m, const flight *f)
{
    if (f->to_weights) {
        memcpy(m->weights[f->half] + f->beat * m->beat_bytes, f->data, (size_t)m->beat_bytes);
        return;
    }
    for (int i = 0; i < m->E; i++) {
        REQUIRE(f->beat * m->E + i < m->config->activation_elements);
        m->ifmap[f->half][f->beat * m->E + i] = (int32_t)bits_at(f->data, (int64_t)i * m->config->activation_bits,
                                                                 m->config->activation_bits);
    }
}

/* ---------------------------------------------------------------------------------------------- sequencer */

/* Minifloat, section 10 of arithmetic.md: the integer that a signed code is a multiple of 2^-fl of. */
static int64_t number_of(const rs_minifloat *f, int32_t code)
{
    const int64_t magnitude = code < 0 ? -(int64_t)code : code, hidden = INT64_C(1) << f->mantissa_bits;
    int64_t exponent = magnitude / hidden, value = magnitude % hidden;
    if (exponent > 0 || (!f->subnormals && magnitude > 0))
        value += hidden;
    if (f->subnormals && exponent > 0)
        exponent--; /* the field 1 has the places of the field 0 */
    while (exponent-- > 0)
        value *= 2;
    return code < 0 ? -value : value;
}

/* Its places, fl. */
static int places_of(const rs_minifloat *f)
{
    return f->bias + f->mantissa_bits - (f->subnormals ? 1 : 0);
}

/* The number that the word of a weight, sign-extended, stands for. */
static int64_t weight_of(const machine *m, int64_t word)
{
    if (m->config->pe == RS_PE_MINIFLOAT)
        return number_of(&m->config->minifloat, code_of_word(word, m->config->weight_bits));
    if (m->config->pe != RS_PE_SHIFTER)
        return word;
    const int64_t half_range = INT64_C(1) << (m->config->weight_bits - 1);
    int64_t code = word < 0 ? word + half_range : word, value = 1;
    if (m->config->zero_code == RS_YES && code-- == 0)
        return 0;
    while (code-- > 0)
        value *= 2;
    return word < 0 ? -value : value;
}

/* The step of this cycle, values and all. */
static step make_step(machine *m)
{
    const rs_descriptor *d = descriptor(m, m->s_descriptor);
    const int cy = m->oy * d->pool_stride_h + m->wy, cx = m->ox * d->pool_stride_w + m->wx;
    const int64_t set = m->s_group / d->groups_per_set;
    const int64_t row = (int64_t)d->origin_row + (int64_t)cy * d->step_row + (int64_t)m->s1 * d->seg1_rows;
    const int64_t own = (int64_t)d->origin_col + (int64_t)cx * d->step_col + (int64_t)m->s2 * d->seg2_cols +
                        (int64_t)m->ch * m->X;
    const int64_t col = own + set * d->set_cols;
    const int64_t row_start = d->origin_elems + (int64_t)cy * d->step_row_elems + (int64_t)m->s1 * d->seg1_elems;
    const int lanes = group_lanes(m, d, m->s_group);
    const bool last = last_of_set(d, m->s_group);
    const int64_t bias_bits = (int64_t)(last ? d->bias_beats_last : d->bias_beats) * m->config->bus_bits;
    const int64_t step_bits = (int64_t)(last ? d->step_beats_last : d->step_beats) * m->config->bus_bits;
    const int64_t number = ((int64_t)m->s1 * d->seg2_count + m->s2) * d->chunks + m->ch;
    const uint8_t *weights = m->weights[m->s_weight_half];
    const int A = m->config->accumulator_bits, n = m->config->weight_bits;
    const bool bottom = m->oy == d->out_h - 1, right = m->ox == d->out_w - 1;

    step s = { .valid = true,
               .first = number == 0,
               .last_of_position = number == d->steps - 1,
               .weight_half = m->s_weight_half,
               .lanes = lanes,
               .descriptor = m->s_descriptor,
               .group = m->s_group,
               .out_half = half(m, m->s_descriptor),
               .scale = bottom  ? (right ? d->scale_corner : d->scale_bottom)
                        : right ? d->scale_right
                                : d->scale,
               .shift = bottom  ? (right ? d->shift_corner : d->shift_bottom)
                        : right ? d->shift_right
                                : d->shift,
               .element = ((int64_t)m->oy * d->out_w + m->ox) * d->out_channels };
    for (int g = 0; g < m->s_group; g++)
        s.element += group_lanes(m, d, g);
    s.outside = d->mode == 2 && (row < 0 || row >= d->in_rows || own < 0 || own >= d->row_elems);
    int64_t activation[MAX_MULS];
    for (int i = 0; i < m->X; i++) {
        activation[i] = 0;
        if (row >= 0 && row < d->in_rows && col + i >= 0 && col + i < d->row_elems &&
            (int64_t)m->ch * m->X + i < d->seg_len) {
            const int32_t element = m->ifmap[half(m, m->s_descriptor)][row_start + col + i];
            REQUIRE(element != UNDEFINED);
            activation[i] = m->config->pe == RS_PE_MINIFLOAT
                                ? number_of(&m->config->minifloat, code_of_word(element, m->config->activation_bits))
                                : element;
            if (d->in_unsigned && element < 0)
                activation[i] += INT64_C(1) << m->config->activation_bits;
        }
    }
    if (d->mode != 0) {
        for (int lane = 0; lane < lanes; lane++)
            s.sum[lane] = (wide)activation[lane] * (INT64_C(1) << (m->s1 > 0 ? d->align_second : d->align));
        return s;
    }
    REQUIRE(number < m->config->weight_steps);
    for (int lane = 0; lane < lanes; lane++) {
        const int own_bits = m->config->channel_shifts == RS_YES ? A + 7 : A;
        s.bias[lane] = wide_at(weights, (int64_t)lane * own_bits, A);
        s.channel_shift[lane] = own_bits > A ? (int)bits_at(weights, (int64_t)lane * own_bits + A, 7) : 0;
        for (int i = 0; i < m->X; i++)
            s.sum[lane] += (wide)activation[i] *
                           weight_of(
                               m, bits_at(weights, bias_bits + number * step_bits + ((int64_t)lane * m->X + i) * n, n));
    }
    return s;
}

static bool position_exists(const machine *m)
{
    const rs_descriptor *d = descriptor(m, m->s_descriptor);
    return m->oy * d->pool_stride_h + m->wy < d->conv_h && m->ox * d->pool_stride_w + m->wx < d->conv_w;
}

/* Counters behind the current position; true if it was the last of its window, and of the group. */
static void next_position(machine *m, bool *window_ends, bool *group_ends)
{
    const rs_descriptor *d = descriptor(m, m->s_descriptor);
    *window_ends = *group_ends = false;
    do {
        if (++m->wx == d->pool_w) {
            m->wx = 0;
            if (++m->wy == d->pool_h) {
                m->wy = 0;
                *window_ends = true;
                if (++m->ox == d->out_w) {
                    m->ox = 0;
                    if (++m->oy == d->out_h) {
                        m->oy = 0;
                        *group_ends = true;
                        return;
                    }
                }
            }
        }
    } while (!position_exists(m));
}

/* One RUN cycle: the step that is issued; *group_ends with the last. */
static step issue_step(machine *m, bool *group_ends)
{
    const rs_descriptor *d = descriptor(m, m->s_descriptor);
    step s = make_step(m);
    *group_ends = false;
    if (++m->ch == d->chunks) {
        m->ch = 0;
        if (++m->s2 == d->seg2_count) {
            m->s2 = 0;
            if (++m->s1 == d->seg1_count)
                m->s1 = 0;
        }
    }
    if (s.last_of_position) {
        bool window_ends;
        next_position(m, &window_ends, group_ends);
        s.last_of_window = window_ends;
        s.last_of_tile = *group_ends && s.group == d->groups - 1;
    }
    return s;
}

/* ----------------------------------------------------------------------------------------------- datapath */

/* Clocks the stages behind the tree once, the last first; returns true in the cycle of a tile's last output beat. */
static bool clock_datapath(machine *m)
{
    bool tile_ends = false;
    const int A = m->config->accumulator_bits;

    /* t+6+T: output beat */
    if (m->pooled.valid && m->pooled.last_of_window) {
        const result *p = &m->pooled;
        for (int lane = 0; lane < p->lanes; lane++) {
            REQUIRE(p->element + lane < m->config->output_elements);
            m->out[p->out_half][p->element + lane] = p->value[lane];
        }
        m->totals->saturations += p->saturations;
        m->totals->overflows += p->overflows;
        const rs_event event = { .kind = RS_EVENT_OUTPUT,
                                 .cycle = m->t,
                                 .descriptor = p->descriptor,
                                 .address = p->element,
                                 .n_values = p->lanes,
                                 .saturations = p->saturations,
                                 .overflows = p->overflows,
                                 .values = p->value };
        if (m->sink)
            m->sink(m->context, &event);
        tile_ends = p->last_of_tile;
        m->pooled.valid = false;
        m->window_open = false;
    }
    /* t+5+T: maximum */
    if (m->rounded.valid) {
        const result *r = &m->rounded;
        if (!m->window_open) {
            m->pooled = *r;
        } else {
            for (int lane = 0; lane < r->lanes; lane++)
                if (r->value[lane] > m->pooled.value[lane])
                    m->pooled.value[lane] = r->value[lane];
            m->pooled.saturations += r->saturations;
            m->pooled.overflows += r->overflows;
            m->pooled.last_of_window = r->last_of_window;
            m->pooled.last_of_tile = r->last_of_tile;
            m->pooled.valid = true;
        }
        m->window_open = true;
        m->rounded.valid = false;
    }
    /* t+4+T: ReLU, shift-round, saturate */
    if (m->summed.valid) {
        const rs_descriptor *d = descriptor(m, m->summed.descriptor);
        uint64_t saturations = 0;
        uint64_t ignored = 0;
        mpz_t sum;
        mpz_init(sum);
        for (int lane = 0; lane < m->summed.lanes; lane++) {
            if (m->config->pe == RS_PE_MINIFLOAT) {
                const int bits = m->config->activation_bits;
                mpz_set_si(sum, (int64_t)(m->summed.sum[lane] / ((wide)1 << 60)));
                mpz_mul_2exp(sum, sum, 60);
                mpz_t rest;
                mpz_init_set_si(rest, (int64_t)(m->summed.sum[lane] % ((wide)1 << 60)));
                mpz_add(sum, sum, rest);
                mpz_clear(rest);
                uint64_t changed = 0;
                const uint32_t word = rs_oracle_minifloat_requantize(&m->numbers, sum,
                                                                     2 * places_of(&m->config->minifloat), d->relu != 0,
                                                                     m->config->rounding, &changed);
                REQUIRE(d->shift == places_of(&m->config->minifloat));
                saturations += m->summed.outside ? 0 : changed;
                m->rounded.value[lane] = m->summed.outside    ? -(int32_t)(m->numbers.n - 1)
                                         : word >> (bits - 1) ? -(int32_t)(word & ((1u << (bits - 1)) - 1))
                                                              : (int32_t)word;
                continue;
            }
            mpz_set_si(sum, (int64_t)m->summed.sum[lane]);
            mpz_mul_si(sum, sum, m->summed.scale);
            int64_t value = rs_oracle_requantize(sum, d->relu != 0, m->summed.shift + m->summed.channel_shift[lane], 40,
                                                 m->config->rounding, 0, &ignored);
            const int64_t low = d->out_unsigned ? 0 : -(INT64_C(1) << (d->out_bits - 1)),
                          high = (INT64_C(1) << (d->out_bits - !d->out_unsigned)) - 1;
            saturations += !m->summed.outside && (value < low || value > high);
            value = m->summed.outside || value < low ? low : value > high ? high : value;
            m->rounded.value[lane] = (int32_t)value;
        }
        mpz_clear(sum);
        m->rounded.valid = true;
        m->rounded.last_of_window = m->summed.last_of_window;
        m->rounded.last_of_tile = m->summed.last_of_tile;
        m->rounded.lanes = m->summed.lanes;
        m->rounded.descriptor = m->summed.descriptor;
        m->rounded.out_half = m->summed.out_half;
        m->rounded.element = m->summed.element;
        m->rounded.saturations = (uint32_t)saturations;
        m->rounded.overflows = m->summed.overflows;
        m->summed.valid = false;
    }
    /* t+3+T: accumulate */
    const step *s = &m->pipe[3 + m->T];
    if (s->valid) {
        if (s->first)
            m->position_overflows = 0;
        for (int lane = 0; lane < s->lanes; lane++) {
            const wide exact = (s->first ? s->bias[lane] : m->accumulator[lane]) + s->sum[lane];
            wide kept;
            if (m->config->pe == RS_PE_MINIFLOAT) {
                const wide range = (wide)1 << A, high = range / 2 - 1, low = -range / 2;
                kept = exact;
                if (m->config->overflow == RS_OVERFLOW_SATURATE) {
                    kept = exact > high ? high : exact < low ? low : exact;
                } else {
                    kept %= range;
                    kept += kept > high ? -range : kept < low ? range : 0;
                }
            } else if (m->config->overflow == RS_OVERFLOW_SATURATE) {
                mpz_t sum;
                mpz_init_set_si(sum, (int64_t)exact);
                uint64_t ignored = 0;
                kept = rs_oracle_saturate(sum, A, &ignored);
                mpz_clear(sum);
            } else {
                kept = rs_oracle_wrap((int64_t)exact, A);
            }
            m->position_overflows += kept != exact;
            m->accumulator[lane] = kept;
        }
        if (s->last_of_position) {
            m->summed.valid = true;
            m->summed.last_of_position = true;
            m->summed.last_of_window = s->last_of_window;
            m->summed.last_of_tile = s->last_of_tile;
            m->summed.lanes = s->lanes;
            m->summed.descriptor = s->descriptor;
            m->summed.outside = s->outside;
            m->summed.scale = s->scale;
            m->summed.shift = s->shift;
            m->summed.out_half = s->out_half;
            m->summed.element = s->element;
            m->summed.overflows = m->position_overflows;
            memcpy(m->summed.sum, m->accumulator, sizeof m->accumulator);
            memcpy(m->summed.channel_shift, s->channel_shift, sizeof s->channel_shift);
        }
    }
    return tile_ends;
}

/* -------------------------------------------------------------------------------------------------- clock */

/* Whose cycle is it, and why (the statistics of array.h)? */
static void account(machine *m)
{
    if (!m->totals->layers)
        return;
    const rs_program *p = m->program;
    const int first = m->segment->first_layer, behind = first + m->segment->count_layers;
    const int waits_for = m->t == 0 ? first : m->sequencer == IDLE ? behind : rs_program_layer_of(p, m->s_descriptor);
    if (m->sequencer == RUN) {
        m->totals->layers[waits_for].run++;
        return;
    }
    for (int k = first; k < waits_for; k++)
        if (m->stored < p->layers[k].first + p->layers[k].count - m->segment->first) {
            m->totals->layers[k].drain++;
            return;
        }
    rs_oracle_activity *a = &m->totals->layers[waits_for];
    if (m->t == 0 || m->sequencer == FETCH)
        a->control++;
    else if (descriptor(m, m->s_descriptor)->mode == 0 && !m->weights_full[m->s_weight_half])
        a->wait_weights++;
    else if (m->s_group == 0 && !m->ifmap_full[half(m, m->s_descriptor)])
        a->wait_ifmap++;
    else if (m->s_group == 0 && m->out_busy[half(m, m->s_descriptor)])
        a->wait_output++;
    else
        a->control++;
}

static void clock_cycle(machine *m)
{
    const bool start = m->t == 0;
    account(m);

    /* What the registers say in this cycle; `m` takes the new values. */
    machine *const old = need(1, sizeof *old);
    *old = *m;
    const bool ready = m->config->stall_percent == 0 ||
                       (mix(mix(m->config->stall_seed + m->run_number) + m->t) >> 32) % 100 >=
                           (uint64_t)m->config->stall_percent;

    /* memory port */
    const bool presents = old->storer == PRESENT;
    const bool requests = old->loader == ISSUE && old->outstanding < m->config->outstanding && !presents;
    const bool read = requests && ready, write = presents && ready;
    if ((requests || presents) && !ready)
        m->totals->stalled++;

    /* answers of this cycle */
    int answered = 0;
    if (m->f_count > 0 && m->flights[m->f_head].answer == m->t) {
        const flight *f = &m->flights[m->f_head];
        beat_arrives(m, f);
        if (f->last) {
            if (f->to_weights)
                m->weights_full[f->half] = true;
            else
                m->ifmap_full[f->half] = true;
        }
        m->f_head = (m->f_head + 1) % ((size_t)m->config->outstanding + 1);
        m->f_count--;
        answered = 1;
    }

    /* loader */
    switch (old->loader) {
    case FETCH:
        m->l_phase = descriptor(m, old->l_descriptor)->mode == 0 ? 0 : 1;
        m->loader = GUARD;
        break;
    case GUARD: {
        const rs_descriptor *d = descriptor(m, old->l_descriptor);
        const bool ifmap = old->l_phase == 1;
        const bool holds = ifmap ? !old->ifmap_busy[half(m, old->l_descriptor)] && old->stored >= d->wait_stored
                                 : !old->weights_busy[old->l_weight_half];
        if (holds) {
            if (ifmap)
                m->ifmap_busy[half(m, old->l_descriptor)] = true;
            else
                m->weights_busy[old->l_weight_half] = true;
            m->l_beat = 0;
            phase_extent(m);
            m->loader = ISSUE;
        }
        break;
    }
    case ISSUE:
        if (!read)
            break;
        {
            flight *f = &m->flights[(m->f_head + m->f_count) % ((size_t)m->config->outstanding + 1)];
            REQUIRE(m->f_count < (size_t)m->config->outstanding + 1);
            f->answer = m->t + (uint64_t)m->config->latency;
            f->to_weights = old->l_phase != 1;
            f->half = f->to_weights ? old->l_weight_half : half(m, old->l_descriptor);
            f->beat = old->l_beat;
            f->last = old->l_beat == old->l_beats - 1;
            memcpy(f->data, m->memory + phase_address(old) * m->beat_bytes, (size_t)m->beat_bytes);
            m->f_count++;
            const rs_event event = {
                .kind = RS_EVENT_READ, .cycle = m->t, .descriptor = old->l_descriptor, .address = phase_address(old)
            };
            if (m->sink)
                m->sink(m->context, &event);
            m->l_beat++;
            if (f->last) {
                if (f->to_weights)
                    m->l_weight_half ^= 1;
                const rs_descriptor *d = descriptor(m, old->l_descriptor);
                if (old->l_phase == (d->mode == 0 ? d->groups : 1)) { /* phases: groups + 1, or the ifmap alone */
                    m->l_descriptor++;
                    m->loader = m->l_descriptor == m->segment->first + m->segment->count ? IDLE : FETCH;
                } else {
                    m->l_phase++;
                    m->loader = GUARD;
                }
            }
        }
        break;
    default:
        break;
    }
    m->outstanding = old->outstanding + read - answered;

    /* datapath: stages see what the registers held */
    const bool tile_ends = clock_datapath(m);
    memmove(&m->pipe[1], &m->pipe[0], sizeof(step) * (MAX_STAGES - 1));
    m->pipe[0].valid = false;

    /* sequencer */
    for (int h = 0; h < 2; h++)
        if (old->free_countdown[h] >= 0 && m->free_countdown[h]-- == 0)
            m->weights_busy[h] = false;
    switch (old->sequencer) {
    case FETCH:
        m->s_group = 0;
        m->sequencer = WAIT;
        break;
    case WAIT: {
        const int at = half(m, old->s_descriptor);
        const bool direct = descriptor(m, old->s_descriptor)->mode != 0;
        const bool holds = (direct || old->weights_full[old->s_weight_half]) &&
                           (old->s_group > 0 || (old->ifmap_full[at] && !old->out_busy[at]));
        if (holds) {
            if (old->s_group == 0)
                m->out_busy[at] = true;
            m->oy = m->ox = m->wy = m->wx = m->s1 = m->s2 = m->ch = 0;
            m->sequencer = RUN;
        }
        break;
    }
    case RUN: {
        bool ends;
        m->pipe[1] = issue_step(m, &ends); /* stage 1 is what is on its way in t+1 */
        if (!ends)
            break;
        if (descriptor(m, old->s_descriptor)->mode == 0) {
            m->weights_full[old->s_weight_half] = false;
            m->free_countdown[old->s_weight_half] = 2 + m->T; /* cleared at the end of t+3+T */
            m->s_weight_half ^= 1;
        }
        if (old->s_group == descriptor(m, old->s_descriptor)->groups - 1) {
            m->ifmap_full[half(m, old->s_descriptor)] = false;
            m->ifmap_busy[half(m, old->s_descriptor)] = false;
            m->s_descriptor++;
            m->sequencer = m->s_descriptor == m->segment->first + m->segment->count ? IDLE : FETCH;
        } else {
            m->s_group++;
            m->sequencer = WAIT;
        }
        break;
    }
    default:
        break;
    }

    /* storer */
    const int out_half = half(m, old->d_descriptor);
    switch (old->storer) {
    case FETCH:
        m->storer = WAIT;
        break;
    case WAIT:
        if (old->out_full[out_half]) {
            m->d_beat = 0;
            m->storer = READ_BUFFER;
        }
        break;
    case READ_BUFFER:
        m->storer = PRESENT;
        break;
    case PRESENT:
        if (!write)
            break;
        {
            const rs_descriptor *d = descriptor(m, old->d_descriptor);
            uint8_t data[128] = { 0 };
            const int64_t place = old->d_beat % d->run_beats, runs = old->d_beat / d->run_beats;
            const int here = place == d->run_beats - 1 ? d->ofmap_last_elems : m->E;
            for (int i = 0; i < here; i++) {
                const int32_t value = m->out[out_half][old->d_beat * m->E + i];
                REQUIRE(value != UNDEFINED);
                set_bits(data, (int64_t)i * m->config->activation_bits, m->config->activation_bits,
                         m->config->pe == RS_PE_MINIFLOAT ? word_of_code(value, m->config->activation_bits) : value);
            }
            const int64_t address = d->ofmap_addr + runs * ((int64_t)d->run_beats + d->run_skip) + place;
            memcpy(m->memory + address * m->beat_bytes, data, (size_t)m->beat_bytes);
            const rs_event event = {
                .kind = RS_EVENT_WRITE, .cycle = m->t, .descriptor = old->d_descriptor, .address = address, .data = data
            };
            if (m->sink)
                m->sink(m->context, &event);
            if (++m->d_beat == d->ofmap_beats) {
                m->out_full[out_half] = false;
                m->out_busy[out_half] = false;
                for (int64_t i = 0; i < m->config->output_elements; i++)
                    m->out[out_half][i] = UNDEFINED;
                m->stored++;
                m->d_descriptor++;
                m->done = m->d_descriptor == m->segment->first + m->segment->count;
                m->storer = m->done ? IDLE : FETCH;
            }
        }
        break;
    default:
        break;
    }
    if (tile_ends)
        m->out_full[old->pooled.out_half] = true;
    if (start)
        m->loader = m->sequencer = m->storer = FETCH;
    free(old);
    m->t++;
}

void rs_oracle_array_run(const rs_program *program, int segment, uint8_t *memory, uint64_t run, uint64_t limit,
                         rs_event_sink sink, void *context, rs_oracle_run *totals)
{
    machine *m = need(1, sizeof *m);
    const rs_array_config *config = &program->config;
    m->program = program;
    m->config = config;
    m->segment = &program->segments[segment];
    m->l_descriptor = m->s_descriptor = m->d_descriptor = m->segment->first;
    m->memory = memory;
    m->run_number = run;
    m->L = config->lanes;
    m->X = config->multipliers;
    m->E = config->bus_bits / config->activation_bits;
    m->beat_bytes = config->bus_bits / 8;
    int levels = 0;
    while (1 << levels < m->X)
        levels++;
    m->T = config->tree_registers == RS_TREE_EVERY          ? levels
           : config->tree_registers == RS_TREE_EVERY_SECOND ? levels / 2
                                                            : 0;
    m->flights = need((size_t)config->outstanding + 1, sizeof *m->flights);
    int64_t beats = 0;
    for (int i = 0; i < program->n_descriptors; i++) {
        const rs_descriptor *d = &program->descriptors[i];
        const int64_t full = d->bias_beats + (int64_t)d->steps * d->step_beats,
                      last = d->bias_beats_last + (int64_t)d->steps * d->step_beats_last;
        beats = full > beats ? full : beats;
        beats = last > beats ? last : beats;
    }
    for (int h = 0; h < 2; h++) {
        m->free_countdown[h] = -1;
        m->ifmap[h] = need((size_t)config->activation_elements, sizeof(int32_t));
        m->out[h] = need((size_t)config->output_elements, sizeof(int32_t));
        m->weights[h] = need((size_t)(beats * m->beat_bytes), 1);
        for (int64_t i = 0; i < config->activation_elements; i++)
            m->ifmap[h][i] = UNDEFINED;
        for (int64_t i = 0; i < config->output_elements; i++)
            m->out[h][i] = UNDEFINED;
    }
    if (config->pe == RS_PE_MINIFLOAT)
        rs_oracle_minifloat_init(&m->numbers, config->minifloat);
    m->sink = sink;
    m->context = context;
    totals->cycles = totals->stalled = totals->saturations = totals->overflows = 0;
    m->totals = totals;
    while (!m->done) {
        REQUIRE(m->t < limit);
        clock_cycle(m);
    }
    totals->cycles = m->t;
    const rs_event done = { .kind = RS_EVENT_DONE,
                            .cycle = m->t,
                            .descriptor = m->segment->first + m->segment->count - 1 };
    if (sink)
        sink(context, &done);
    for (int h = 0; h < 2; h++) {
        free(m->ifmap[h]);
        free(m->out[h]);
        free(m->weights[h]);
    }
    if (config->pe == RS_PE_MINIFLOAT)
        rs_oracle_minifloat_clear(&m->numbers);
    free(m->flights);
    free(m);
}
