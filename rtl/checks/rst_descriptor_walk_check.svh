// Assertions of rst_descriptor_walk, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS
`RST_ASSUME(a_desc_range, !(desc_next_i || group_next_i) || desc_q < n_desc_i)
`RST_ASSERT(a_group_range, !group_next_i || group_q < desc_i.groups)
`RST_ASSERT(a_set_range, !group_next_i || set_group_q < desc_i.groups_per_set)
`RST_KNOWN(k_place, {desc_q, group_q, set_group_q})
`endif
