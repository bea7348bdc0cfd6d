`include "ristretto_types.svh"

// Requests what the array needs, descriptor by descriptor: weights of group 0, the ifmap, weights
// of groups 1, 2, ... In direct modes there are no weights. A phase waits until the half of the
// buffer that it fills is free (GUARD), then reads its beats in order (ISSUE).
module rst_loader #(
  parameter int Outstanding = 8,
  parameter int ProgDepth = 16,
  localparam int ProgBits = ristretto_pkg::index_bits(ProgDepth)
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                start_i,
  input  logic [15:0]         n_desc_i,      // stable while busy

  output logic                fetch_o,
  output logic [ProgBits-1:0] fetch_addr_o,
  input  rst_desc_t           desc_i,

  input  logic [1:0]          wgt_busy_i,
  input  logic [1:0]          act_busy_i,
  input  logic [15:0]         stored_i,
  output logic [1:0]          wgt_busy_set_o,
  output logic [1:0]          act_busy_set_o,

  output logic                phase_push_o,  // a phase begins; where its answers go
  output rst_phase_t          phase_o,

  input  logic                wr_valid_i,    // the storer presents a beat: it has priority
  output logic                rd_valid_o,
  output logic [31:0]         rd_addr_o,
  input  logic                mem_ready_i,
  input  logic                rsp_valid_i,
  output logic [15:0]         obs_desc_o
);
  // verilator coverage_off
  initial begin
    if (Outstanding < 1) $fatal(1, "Outstanding must be at least 1");
    if (ProgDepth < 1 || ProgDepth > 65535) $fatal(1, "ProgDepth must be 1 to 65535");
  end
  // verilator coverage_on

  localparam int CountBits = ristretto_pkg::index_bits(Outstanding + 1);

  typedef enum logic [1:0] {Idle, Fetch, Guard, Issue} state_e;
  state_e state_q, state_d;

  logic ifmap_q, ifmap_d;                   // the phase is the ifmap's
  logic wgt_half_q, wgt_half_d, act_half_q, act_half_d;
  logic [31:0] wgt_addr_q, wgt_addr_d, act_addr_q, act_addr_d;
  logic [23:0] beats_q, beats_d;            // still to request in this unit, less one
  logic [15:0] units_q, units_d;            // units (steps) after this one
  logic [CountBits-1:0] outstanding_q;

  logic ifmap, direct, guard_ok, accept, phase_done;
  logic desc_next, desc_last;
  logic group_next, group_first, group_last, set_last;  // of the latest weights
  logic [7:0] bias_beats;
  logic [15:0] step_last;
  logic [23:0] first_last;
  logic [15:0] steps;
  logic [31:0] weight_addr, ifmap_addr;

  rst_descriptor_walk #(
    .ProgDepth(ProgDepth)
  ) u_walk (
    .clk_i,
    .rst_ni,
    .start_i,
    .desc_next_i(desc_next),
    .group_next_i(group_next),
    .n_desc_i,
    .desc_i,
    .desc_o(obs_desc_o),
    .fetch_addr_o,
    .desc_last_o(desc_last),
    .group_first_o(group_first),
    .group_last_o(group_last),
    .set_last_o(set_last)
  );

  assign bias_beats = set_last ? desc_i.bias_beats_last : desc_i.bias_beats;
  assign step_last = (set_last ? desc_i.step_beats_last : desc_i.step_beats) - 16'd1;

  assign direct = (desc_i.mode != 2'(ristretto_pkg::ModeWeights));
  assign ifmap = ifmap_q || direct;
  // The receiver sees the beats of both ifmaps as one unit.
  assign first_last = (ifmap ? desc_i.ifmap_beats + desc_i.second_beats : 24'(bias_beats)) - 24'd1;
  assign steps = ifmap ? 16'd0 : desc_i.steps;
  assign weight_addr = desc_i.weight_addr;
  assign ifmap_addr = desc_i.ifmap_addr;

  assign guard_ok = (state_q == Guard) &&
                    (ifmap ? (!act_busy_i[act_half_q] && stored_i >= desc_i.wait_stored) :
                             !wgt_busy_i[wgt_half_q]);

  assign rd_valid_o =
      (state_q == Issue) && (outstanding_q < CountBits'(Outstanding)) && !wr_valid_i;
  assign rd_addr_o = ifmap ? act_addr_q : wgt_addr_q;
  assign accept = rd_valid_o && mem_ready_i;
  assign phase_done = accept && beats_q == '0 && units_q == '0;

  assign phase_push_o = guard_ok;
  assign phase_o.ifmap = ifmap;
  assign phase_o.half = ifmap ? act_half_q : wgt_half_q;
  assign phase_o.first_last = first_last;
  assign phase_o.step_last = step_last;
  assign phase_o.steps = steps;

  assign wgt_busy_set_o = {guard_ok && !ifmap && wgt_half_q, guard_ok && !ifmap && !wgt_half_q};
  assign act_busy_set_o = {guard_ok && ifmap && act_half_q, guard_ok && ifmap && !act_half_q};

  assign fetch_o = (state_q == Fetch);

  always_comb begin
    state_d = state_q;
    desc_next = 1'b0;
    group_next = 1'b0;
    ifmap_d = ifmap_q;
    wgt_half_d = wgt_half_q;
    act_half_d = act_half_q;
    wgt_addr_d = wgt_addr_q;
    act_addr_d = act_addr_q;
    beats_d = beats_q;
    units_d = units_q;

    unique case (state_q)
      Idle: begin
        if (start_i) begin
          state_d = Fetch;
          wgt_half_d = 1'b0;
          act_half_d = 1'b0;
        end
      end
      Fetch: begin
        state_d = Guard;
        ifmap_d = 1'b0;
      end
      Guard: begin
        // The mode is known after FETCH only.
        if (guard_ok) begin
          state_d = Issue;
          ifmap_d = ifmap;
          beats_d = ifmap ? desc_i.ifmap_beats - 24'd1 : first_last;
          units_d = ifmap ? 16'(desc_i.second_beats != '0) : steps;
          if (ifmap) begin
            act_addr_d = ifmap_addr;
            act_half_d = !act_half_q;
          end else begin
            if (group_first) wgt_addr_d = weight_addr;
            wgt_half_d = !wgt_half_q;
          end
        end
      end
      Issue: begin
        if (accept) begin
          if (ifmap_q) act_addr_d = act_addr_q + 32'd1;
          else wgt_addr_d = wgt_addr_q + 32'd1;
          if (beats_q != '0) begin
            beats_d = beats_q - 24'd1;
          end else if (units_q != '0) begin
            units_d = units_q - 16'd1;
            if (ifmap_q) begin
              act_addr_d = desc_i.second_addr;
              beats_d = desc_i.second_beats - 24'd1;
            end else begin
              beats_d = 24'(step_last);
            end
          end
        end
        if (phase_done) begin
          state_d = Guard;
          if (!ifmap_q && group_first) begin
            ifmap_d = 1'b1;
          end else if (!group_last && !direct) begin
            ifmap_d = 1'b0;
            group_next = 1'b1;
          end else begin
            desc_next = 1'b1;
            if (desc_last) state_d = Idle;
            else state_d = Fetch;
          end
        end
      end
      default: begin  // no such state
        // verilator coverage_block_off
        state_d = Idle;
      end
    endcase
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= Idle;
      ifmap_q <= 1'b0;
      wgt_half_q <= 1'b0;
      act_half_q <= 1'b0;
      wgt_addr_q <= '0;
      act_addr_q <= '0;
      beats_q <= '0;
      units_q <= '0;
      outstanding_q <= '0;
    end else begin
      state_q <= state_d;
      ifmap_q <= ifmap_d;
      wgt_half_q <= wgt_half_d;
      act_half_q <= act_half_d;
      wgt_addr_q <= wgt_addr_d;
      act_addr_q <= act_addr_d;
      beats_q <= beats_d;
      units_q <= units_d;
      outstanding_q <= outstanding_q + CountBits'(accept) - CountBits'(rsp_valid_i);
    end
  end

  logic unused_desc;
  assign unused_desc = ^desc_i;

  `include "checks/rst_loader_check.svh"
endmodule
