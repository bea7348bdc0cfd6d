/* Making and releasing an engine. */
#include "engine/engine.h"

#include "base/memory.h"
#include "engine/parts.h"

const char *rs_engine_path_name(rs_engine_path path)
{
    static const char *const names[RS_PATHS] = { "int8", "int16", "double", "reference" };
    return (unsigned)path < RS_PATHS ? names[path] : "-";
}

rs_status rs_engine_new_path(const rs_qnet *qnet, rs_engine_path fastest, rs_engine **engine, rs_diag *diag)
{
    *engine = NULL;
    rs_engine *e = RS_NEW(rs_engine);
    if (!e)
        return rs_out_of_memory(diag);
    e->qnet = qnet;
    const bool minifloat = rs_qnet_minifloat(qnet), fast = fastest < RS_PATH_REFERENCE;
    e->reference = !fast || minifloat;
    const rs_status status = !fast       ? RS_OK
                             : minifloat ? rs_minifloat_engine_new(qnet, &e->minifloat, diag)
                                         : rs_engine_prepare(e, fastest, diag);
    if (status != RS_OK)
        rs_engine_free(e);
    else
        *engine = e;
    return status;
}

rs_status rs_engine_new(const rs_qnet *qnet, bool force_reference, rs_engine **engine, rs_diag *diag)
{
    return rs_engine_new_path(qnet, force_reference ? RS_PATH_REFERENCE : RS_PATH_INT8, engine, diag);
}

void rs_engine_free(rs_engine *engine)
{
    if (!engine)
        return;
    rs_engine_free_scratch(engine);
    for (int i = 0; engine->plans && i < engine->qnet->n_ops; i++) {
        rs_free(engine->plans[i].segments);
        rs_free(engine->plans[i].weights);
        rs_free(engine->plans[i].bias);
        rs_free(engine->plans[i].shifts);
    }
    rs_free(engine->plans);
    rs_free(engine->storage);
    rs_free(engine->pixel_table);
    rs_minifloat_engine_free(engine->minifloat);
    rs_free(engine);
}

const rs_qnet *rs_engine_qnet(const rs_engine *engine)
{
    return engine->qnet;
}

rs_engine_path rs_engine_op_path(const rs_engine *engine, int op)
{
    if (!rs_qop_weighted(&engine->qnet->ops[op]))
        return RS_PATHS;
    return engine->minifloat ? RS_PATH_DOUBLE : engine->reference ? RS_PATH_REFERENCE : engine->plans[op].path;
}
