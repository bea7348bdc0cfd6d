/* Reads the YAML file of a technology, and scales the cost of its operators to any width. */
#include "energy/technology.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

#define AT(field) offsetof(rs_technology, field)

#define SOURCE(structure, field)                                                         \
    {                                                                                    \
        .key = "source", .type = RS_SCHEMA_STRING, .offset = offsetof(structure, field), \
        .doc = "short name of an entry of sources"                                       \
    }

static const rs_schema source_fields[] = {
    { .key = "id", .type = RS_SCHEMA_STRING, .offset = offsetof(rs_tech_source, id), .doc = "short name" },
    { .key = "reference",
      .type = RS_SCHEMA_STRING,
      .offset = offsetof(rs_tech_source, reference),
      .doc = "where the numbers can be looked up" },
    { .key = NULL },
};

static const rs_schema operator_fields[] = {
    { .key = "bits",
      .type = RS_SCHEMA_INT,
      .offset = offsetof(rs_tech_operator, bits),
      .min = 1,
      .max = 128,
      .unit = "bits",
      .doc = "width of the operands" },
    { .key = "energy_pj",
      .type = RS_SCHEMA_REAL,
      .offset = offsetof(rs_tech_operator, energy_pj),
      .min = 0,
      .max = 1e6,
      .unit = "pJ",
      .doc = "energy of an operation" },
    { .key = "area_um2",
      .type = RS_SCHEMA_REAL,
      .offset = offsetof(rs_tech_operator, area_um2),
      .min = 0,
      .max = 1e9,
      .unit = "um2",
      .doc = "area" },
    SOURCE(rs_tech_operator, source),
    { .key = NULL },
};

static const rs_schema sram_fields[] = {
    { .key = "kbytes",
      .type = RS_SCHEMA_REAL,
      .offset = offsetof(rs_tech_sram, kbytes),
      .min = 0.001,
      .max = 1e6,
      .unit = "KB of 1024 bytes",
      .doc = "capacity" },
    { .key = "word_bits",
      .type = RS_SCHEMA_INT,
      .offset = offsetof(rs_tech_sram, word_bits),
      .min = 1,
      .max = 4096,
      .unit = "bits",
      .doc = "bits an access" },
    { .key = "energy_pj",
      .type = RS_SCHEMA_REAL,
      .offset = offsetof(rs_tech_sram, energy_pj),
      .min = 0,
      .max = 1e6,
      .unit = "pJ",
      .doc = "energy of an access" },
    SOURCE(rs_tech_sram, source),
    { .key = NULL },
};

static const rs_schema density_fields[] = {
    { .key = "mbit_per_mm2",
      .type = RS_SCHEMA_REAL,
      .offset = AT(sram_mbit_per_mm2),
      .min = 1e-6,
      .max = 1e6,
      .unit = "10^6 bits per mm2",
      .doc = "density, periphery included" },
    SOURCE(rs_technology, sram_area_source),
    { .key = NULL },
};

static const rs_schema register_energy_fields[] = {
    { .key = "energy_pj",
      .type = RS_SCHEMA_REAL,
      .offset = AT(register_pj),
      .min = 0,
      .max = 1e6,
      .unit = "pJ",
      .doc = "a bit clocked once" },
    SOURCE(rs_technology, register_energy_source),
    { .key = NULL },
};

static const rs_schema register_area_fields[] = {
    { .key = "area_um2",
      .type = RS_SCHEMA_REAL,
      .offset = AT(register_um2),
      .min = 0,
      .max = 1e6,
      .unit = "um2",
      .doc = "a flip-flop" },
    SOURCE(rs_technology, register_area_source),
    { .key = NULL },
};

static const rs_schema mux_fields[] = {
    { .key = "area_um2",
      .type = RS_SCHEMA_REAL,
      .offset = AT(mux_um2),
      .min = 0,
      .max = 1e6,
      .unit = "um2",
      .doc = "one bit of a 2:1 multiplexer" },
    SOURCE(rs_technology, mux_source),
    { .key = NULL },
};

static const rs_schema dram_fields[] = {
    { .key = "word_bits",
      .type = RS_SCHEMA_INT,
      .offset = AT(dram_word_bits),
      .min = 1,
      .max = 4096,
      .unit = "bits",
      .doc = "bits an access" },
    { .key = "energy_pj",
      .type = RS_SCHEMA_REAL,
      .offset = AT(dram_pj),
      .min = 0,
      .max = 1e9,
      .unit = "pJ",
      .doc = "energy of an access, the low end; this one is used" },
    { .key = "energy_high_pj",
      .type = RS_SCHEMA_REAL,
      .offset = AT(dram_high_pj),
      .min = 0,
      .max = 1e9,
      .unit = "pJ",
      .doc = "the high end; shown beside it" },
    SOURCE(rs_technology, dram_source),
    { .key = NULL },
};

#define OPERATORS(name, member, text)                                                                 \
    {                                                                                                 \
        .key = name, .type = RS_SCHEMA_LIST, .offset = AT(member.at), .count_offset = AT(member.n),   \
        .size = sizeof(rs_tech_operator), .fields = operator_fields, .min = 1, .max = 32, .doc = text \
    }

const rs_schema rs_technology_schema[] = {
    { .key = "name", .type = RS_SCHEMA_STRING, .offset = AT(name), .doc = "shown in reports" },
    { .key = "process_nm",
      .type = RS_SCHEMA_REAL,
      .offset = AT(process_nm),
      .min = 1,
      .max = 10000,
      .unit = "nm",
      .doc = "feature size, for the reader" },
    { .key = "supply_v",
      .type = RS_SCHEMA_REAL,
      .offset = AT(supply_v),
      .min = 0.1,
      .max = 10,
      .unit = "V",
      .doc = "supply voltage, for the reader" },
    { .key = "sources",
      .type = RS_SCHEMA_LIST,
      .offset = AT(sources),
      .count_offset = AT(n_sources),
      .size = sizeof(rs_tech_source),
      .fields = source_fields,
      .min = 1,
      .max = 64,
      .doc = "the references" },
    OPERATORS("adders", adders, "integer adders by width"),
    OPERATORS("multipliers", multipliers, "square integer multipliers by width"),
    OPERATORS("shifters", shifters, "barrel shifters by width"),
    OPERATORS("float_adders", float_adders, "floating point adders; the baseline takes the one of 32 bits"),
    OPERATORS("float_multipliers", float_multipliers,
              "floating point multipliers; the baseline takes the one of 32 bits"),
    { .key = "sram_access",
      .type = RS_SCHEMA_LIST,
      .offset = AT(srams),
      .count_offset = AT(n_srams),
      .size = sizeof(rs_tech_sram),
      .fields = sram_fields,
      .min = 1,
      .max = 32,
      .doc = "energy of on-chip memories by size" },
    { .key = "sram_area", .type = RS_SCHEMA_MAP, .fields = density_fields, .doc = "area of on-chip memories" },
    { .key = "register_energy", .type = RS_SCHEMA_MAP, .fields = register_energy_fields, .doc = "flip-flops" },
    { .key = "register_area", .type = RS_SCHEMA_MAP, .fields = register_area_fields, .doc = "flip-flops" },
    { .key = "multiplexer", .type = RS_SCHEMA_MAP, .fields = mux_fields, .doc = "multiplexers of the rotate network" },
    { .key = "dram_access", .type = RS_SCHEMA_MAP, .fields = dram_fields, .doc = "the off-chip memory" },
    { .key = NULL },
};

/* ------------------------------------------------------------------------------------------------------- checks */

static bool known_source(const rs_technology *t, const char *id)
{
    for (size_t i = 0; i < t->n_sources; i++)
        if (strcmp(t->sources[i].id, id) == 0)
            return true;
    return false;
}

/* Every "source" in the tree must name an entry of sources. */
static rs_status check_sources(const rs_technology *t, const rs_yaml *node, rs_diag *diag)
{
    rs_status status = RS_OK;
    for (size_t i = 0; i < node->n; i++) {
        const rs_yaml *item = node->items[i];
        rs_status one = RS_OK;
        if (item->kind != RS_YAML_SCALAR)
            one = check_sources(t, item, diag);
        else if (node->kind == RS_YAML_MAP && strcmp(node->keys[i]->text, "source") == 0 &&
                 !known_source(t, item->text))
            one = rs_error(diag, RS_BAD_INPUT, item->loc, "add it to the list 'sources' with its reference",
                           "the source '%s' is not listed in sources", item->text);
        if (status == RS_OK)
            status = one;
    }
    return status;
}

/* Interpolation needs rising widths. */
static rs_status check_rising(const rs_yaml *root, const char *list, const char *key, const double *values, size_t n,
                              rs_diag *diag)
{
    rs_status status = RS_OK;
    for (size_t i = 1; i < n; i++) {
        if (values[i] > values[i - 1])
            continue;
        char path[128];
        snprintf(path, sizeof path, "%s[%zu].%s", list, i, key);
        const rs_yaml *node = rs_yaml_find(root, path);
        status = rs_error(diag, RS_BAD_INPUT, node != NULL ? node->loc : RS_NOWHERE, NULL,
                          "%s must rise from entry to entry of %s", key, list);
    }
    return status;
}

static rs_status check_operators(const rs_yaml *root, const char *name, const rs_tech_operators *operators, int needs,
                                 rs_diag *diag)
{
    double widths[32];
    bool found = needs == 0;
    for (size_t i = 0; i < operators->n; i++) {
        widths[i] = operators->at[i].bits;
        found = found || operators->at[i].bits == needs;
    }
    const rs_yaml *node = rs_yaml_find(root, name);
    if (!found)
        return rs_error(diag, RS_BAD_INPUT, node != NULL ? node->loc : RS_NOWHERE, NULL,
                        "%s needs an entry with bits: %d", name, needs);
    return check_rising(root, name, "bits", widths, operators->n, diag);
}

static rs_status check(const rs_technology *t, const rs_yaml *root, rs_diag *diag)
{
    double sizes[32];
    for (size_t i = 0; i < t->n_srams; i++)
        sizes[i] = t->srams[i].kbytes;
    const rs_status all[] = {
        check_sources(t, root, diag),
        check_operators(root, "adders", &t->adders, 0, diag),
        check_operators(root, "multipliers", &t->multipliers, 0, diag),
        check_operators(root, "shifters", &t->shifters, 0, diag),
        check_operators(root, "float_adders", &t->float_adders, 32, diag),
        check_operators(root, "float_multipliers", &t->float_multipliers, 32, diag),
        check_rising(root, "sram_access", "kbytes", sizes, t->n_srams, diag),
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] != RS_OK)
            return all[i];
    return RS_OK;
}

rs_status rs_technology_read(const char *path, rs_technology **result, rs_diag *diag)
{
    void *opened = NULL;
    rs_status status = rs_schema_open(rs_technology_schema, path, sizeof **result, &opened, diag);
    rs_technology *t = opened;
    if (status == RS_OK)
        status = check(t, t->file.tree, diag);
    if (status != RS_OK) {
        rs_technology_free(t);
        t = NULL;
    }
    *result = t;
    return status;
}

void rs_technology_free(rs_technology *t)
{
    rs_schema_close(rs_technology_schema, t);
}

/* ------------------------------------------------------------------------------------------------- scaling laws */

rs_cost rs_cost_linear(const rs_tech_operators *operators, int bits)
{
    rs_tech_operator low = { .bits = 0 };
    for (size_t i = 0; i < operators->n; i++) {
        const rs_tech_operator *high = &operators->at[i];
        if (bits <= high->bits) {
            const double part = (double)(bits - low.bits) / (high->bits - low.bits);
            return (rs_cost) { low.energy_pj + part * (high->energy_pj - low.energy_pj),
                               low.area_um2 + part * (high->area_um2 - low.area_um2) };
        }
        low = *high;
    }
    const double scale = (double)bits / low.bits;
    return (rs_cost) { low.energy_pj * scale, low.area_um2 * scale };
}

rs_cost rs_cost_shifter(const rs_technology *t, int bits, int stages)
{
    const rs_tech_operators *o = &t->shifters;
    size_t i = 0;
    while (i + 1 < o->n && o->at[i].bits < bits)
        i++;
    int given = 0;
    while ((1 << given) < o->at[i].bits)
        given++;
    const double scale = (double)bits * stages / ((double)o->at[i].bits * (given > 0 ? given : 1));
    return (rs_cost) { o->at[i].energy_pj * scale, o->at[i].area_um2 * scale };
}

/* The power law through (s0, y0) and (s1, y1), at s. */
static double power_law(double s0, double y0, double s1, double y1, double s)
{
    if (y0 <= 0.0 || y1 <= 0.0)
        return y0 + (s - s0) / (s1 - s0) * (y1 - y0);
    return y0 * pow(s / s0, log(y1 / y0) / log(s1 / s0));
}

rs_cost rs_cost_multiplier(const rs_technology *t, int m, int n)
{
    const rs_tech_operators *o = &t->multipliers;
    const double s = (double)m * n;
    for (size_t i = 0; i + 1 < o->n; i++) {
        const rs_tech_operator *a = &o->at[i], *b = &o->at[i + 1];
        const double s0 = (double)a->bits * a->bits, s1 = (double)b->bits * b->bits;
        if (s >= s0 && s <= s1)
            return (rs_cost) { power_law(s0, a->energy_pj, s1, b->energy_pj, s),
                               power_law(s0, a->area_um2, s1, b->area_um2, s) };
    }
    const rs_tech_operator *end = s < (double)o->at[0].bits * o->at[0].bits ? &o->at[0] : &o->at[o->n - 1];
    const double scale = s / ((double)end->bits * end->bits);
    return (rs_cost) { end->energy_pj * scale, end->area_um2 * scale };
}

static double sram_bits(const rs_tech_sram *s)
{
    return s->kbytes * 1024.0 * 8.0;
}

static double sram_pj(const rs_tech_sram *s)
{
    return s->energy_pj / s->word_bits;
}

double rs_sram_pj_per_bit(const rs_technology *t, double bits)
{
    const rs_tech_sram *s = t->srams;
    if (t->n_srams == 1 || bits <= sram_bits(&s[0]))
        return sram_pj(&s[0]);
    size_t i = 0;
    while (i + 2 < t->n_srams && bits > sram_bits(&s[i + 1]))
        i++;
    return power_law(sram_bits(&s[i]), sram_pj(&s[i]), sram_bits(&s[i + 1]), sram_pj(&s[i + 1]), bits);
}

double rs_sram_um2(const rs_technology *t, double bits)
{
    return bits / t->sram_mbit_per_mm2; /* 10^6 bits in 10^6 um2 */
}

double rs_dram_pj_per_bit(const rs_technology *t)
{
    return t->dram_pj / t->dram_word_bits;
}
