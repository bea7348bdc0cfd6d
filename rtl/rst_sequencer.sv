`include "ristretto_types.svh"

// Walks the loop nest of docs/reference/array-timing.md section 4, one step a cycle. Every loop
// keeps where it began; the next iteration is there plus a stride of the descriptor, so that
// addresses are made by adding alone.
module rst_sequencer #(
  parameter int Lanes = 16,
  parameter int Muls = 16,
  parameter int ProgDepth = 16,
  parameter int ActAddrBits = 8,
  parameter int StepAddrBits = 6,
  localparam int ProgBits = ristretto_pkg::index_bits(ProgDepth),
  localparam int MaskBits = ristretto_pkg::index_bits(Muls + 1)
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    start_i,
  input  logic [15:0]             n_desc_i,    // stable while busy

  output logic                    fetch_o,
  output logic [ProgBits-1:0]     fetch_addr_o,
  input  rst_desc_t               desc_i,

  input  logic [1:0]              wgt_full_i,
  input  logic [1:0]              act_full_i,
  input  logic [1:0]              out_busy_i,
  output logic [1:0]              wgt_full_clear_o,
  output logic [1:0]              act_clear_o,
  output logic [1:0]              out_busy_set_o,

  output rst_step_t               step_o,
  output logic                    act_half_o,
  output logic [ActAddrBits-1:0]  act_addr_o,  // element under multiplier 0
  output logic [MaskBits-1:0]     act_low_o,   // multipliers low to high - 1 take elements
  output logic [MaskBits-1:0]     act_high_o,
  output logic [StepAddrBits-1:0] wgt_step_o
);
  // verilator coverage_off
  initial begin
    if (Lanes < 1 || Lanes > 64 || Muls < 1 || Muls > 64)
      $fatal(1, "Lanes and Muls must be 1 to 64");
    if (ProgDepth < 1 || ActAddrBits < 1 || StepAddrBits < 1)
      $fatal(1, "ProgDepth, ActAddrBits and StepAddrBits must be at least 1");
  end
  // verilator coverage_on

  localparam int ColBits = ristretto_pkg::ColBits;
  localparam int RowBits = ristretto_pkg::RowBits;

  typedef enum logic [1:0] {Idle, Fetch, Wait, Run} state_e;
  state_e state_q, state_d;

  logic wgt_half_q, act_half_q, out_half_q;

  // Iterations left after the current one, loop by loop.
  logic [15:0] chunk_left_q, ox_left_q, oy_left_q;
  logic [7:0] seg1_left_q, seg2_left_q, wx_left_q, wy_left_q;
  // Columns: of the step, and where the loops over segments, positions and windows are.
  logic signed [ColBits-1:0] col_q, seg2_col_q, wx_col_q, ox_col_q;
  // Rows, and the buffer element at column 0 of each.
  logic signed [RowBits-1:0] row_q, wy_row_q, oy_row_q;
  logic [23:0] row_elems_q, wy_elems_q, oy_elems_q;
  // Position in the convolution's output, to clip windows at its edge.
  logic [15:0] cx_q, cy_q, ox_cx_q, oy_cy_q;
  logic [23:0] seg_left_q;                   // elements of the segment from the step on
  logic [15:0] wgt_step_q;
  logic pos_first_q;
  logic [23:0] out_addr_q, group_out_q;
  logic signed [ColBits-1:0] set_col_q;      // the first column of the set's channels

  logic run, wait_ok, direct;
  logic chunk_last, seg2_last, seg1_last, pos_done, wx_last, wy_last, window_done, ox_last, oy_last;
  logic group_done, group_first, group_last, set_last, desc_done, desc_last;

  /* verilator lint_off PINCONNECTEMPTY */
  rst_descriptor_walk #(
    .ProgDepth(ProgDepth)
  ) u_walk (
    .clk_i,
    .rst_ni,
    .start_i,
    .desc_next_i(desc_done),
    .group_next_i(group_done),
    .n_desc_i,
    .desc_i,
    .desc_o(),
    .fetch_addr_o,
    .desc_last_o(desc_last),
    .group_first_o(group_first),
    .group_last_o(group_last),
    .set_last_o(set_last)
  );
  /* verilator lint_on PINCONNECTEMPTY */

  assign run = (state_q == Run);
  assign direct = (desc_i.mode != 2'(ristretto_pkg::ModeWeights));
  assign wait_ok = (state_q == Wait) && (direct || wgt_full_i[wgt_half_q]) &&
                   (!group_first || (act_full_i[act_half_q] && !out_busy_i[out_half_q]));

  assign chunk_last = (chunk_left_q == '0);
  assign seg2_last = chunk_last && (seg2_left_q == '0);
  assign seg1_last = seg2_last && (seg1_left_q == '0);
  assign pos_done = seg1_last;
  assign wx_last = (wx_left_q == '0) || (cx_q == desc_i.conv_w - 16'd1);
  assign wy_last = (wy_left_q == '0) || (cy_q == desc_i.conv_h - 16'd1);
  assign window_done = pos_done && wx_last && wy_last;
  assign ox_last = (ox_left_q == '0);
  assign oy_last = (oy_left_q == '0);
  assign group_done = run && window_done && ox_last && oy_last;
  assign desc_done = group_done && group_last;

  assign fetch_o = (state_q == Fetch);
  assign wgt_full_clear_o = {group_done && !direct && wgt_half_q,
                             group_done && !direct && !wgt_half_q};
  assign act_clear_o = {desc_done && act_half_q, desc_done && !act_half_q};
  assign out_busy_set_o = {wait_ok && group_first && out_half_q,
                           wait_ok && group_first && !out_half_q};

  // The step. -------------------------------------------------------------------------------------
  logic row_inside;
  logic signed [ColBits-1:0] low, high_row, high_seg, high;

  assign act_half_o = act_half_q;
  assign act_addr_o = ActAddrBits'(row_elems_q + 24'(col_q));
  assign wgt_step_o = StepAddrBits'(wgt_step_q);

  assign row_inside = (row_q >= 0) && (row_q < $signed(RowBits'(desc_i.in_rows)));
  assign low = -col_q;
  assign high_row = $signed(ColBits'(desc_i.row_elems)) - col_q;
  assign high_seg = $signed(ColBits'(seg_left_q));
  assign high = (high_row < high_seg) ? high_row : high_seg;

  always_comb begin
    if (low <= 0) act_low_o = '0;
    else if (low >= ColBits'(Muls)) act_low_o = MaskBits'(Muls);
    else act_low_o = MaskBits'(low);

    if (!row_inside || high <= 0) act_high_o = '0;
    else if (high >= ColBits'(Muls)) act_high_o = MaskBits'(Muls);
    else act_high_o = MaskBits'(high);
  end

  logic [6:0] lanes;  // Yosys 0.23 does not narrow by a cast inside of a concatenation
  assign lanes = group_last ? desc_i.lanes_last[6:0] :
                 set_last   ? desc_i.lanes_set[6:0] : 7'(Lanes);

  // Max pooling on its own: the position is in the padding. Only the map's columns count, not which
  // of its channels.
  logic signed [ColBits-1:0] map_col;
  logic outside;
  assign map_col = col_q - set_col_q;
  assign outside = !row_inside || map_col < 0 || map_col >= $signed(ColBits'(desc_i.row_elems));

  // Average pooling: the last windows of a row and the tile's last row may be clipped, and then
  // have other divisors.
  logic [15:0] scale;
  logic signed [6:0] shift;
  always_comb begin
    unique case ({oy_last, ox_last})
      2'b00: begin
        scale = desc_i.scale;
        shift = desc_i.shift;
      end
      2'b01: begin
        scale = desc_i.scale_right;
        shift = desc_i.shift_right;
      end
      2'b10: begin
        scale = desc_i.scale_bottom;
        shift = desc_i.shift_bottom;
      end
      default: begin
        scale = desc_i.scale_corner;
        shift = desc_i.shift_corner;
      end
    endcase
  end

  logic [4:0] align;
  assign align = (seg1_left_q == desc_i.seg1_count - 8'd1) ? desc_i.align : desc_i.align_second;

  assign step_o.valid = run;
  assign step_o.first = wgt_step_q == '0;
  assign step_o.last = pos_done;
  assign step_o.pos_first = pos_first_q;
  assign step_o.pos_last = wx_last && wy_last;
  assign step_o.group_last = group_done;
  assign step_o.desc_last = desc_done;
  assign step_o.wgt_half = wgt_half_q;
  assign step_o.out_half = out_half_q;
  assign step_o.direct = direct;
  assign step_o.outside = desc_i.mode == 2'(ristretto_pkg::ModeMax) && outside;
  assign step_o.in_unsigned = desc_i.in_unsigned;
  assign step_o.out_unsigned = desc_i.out_unsigned;
  assign step_o.align = align;
  assign step_o.relu = desc_i.relu;
  assign step_o.scale = scale;
  assign step_o.shift = shift;
  assign step_o.out_bits = desc_i.out_bits;
  assign step_o.lanes = lanes;
  assign step_o.out_addr = out_addr_q;

  // States. ---------------------------------------------------------------------------------------
  always_comb begin
    state_d = state_q;
    unique case (state_q)
      Idle: if (start_i) state_d = Fetch;
      Fetch: state_d = Wait;
      Wait: if (wait_ok) state_d = Run;
      Run: begin
        if (desc_done && desc_last) state_d = Idle;
        else if (desc_done) state_d = Fetch;
        else if (group_done) state_d = Wait;
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
      group_out_q <= '0;
      set_col_q <= '0;
      wgt_half_q <= 1'b0;
      act_half_q <= 1'b0;
      out_half_q <= 1'b0;
    end else begin
      state_q <= state_d;
      if (state_q == Idle) begin
        wgt_half_q <= 1'b0;
        act_half_q <= 1'b0;
        out_half_q <= 1'b0;
      end
      if (state_q == Fetch) begin
        group_out_q <= '0;
        set_col_q <= '0;
      end
      if (group_done) begin
        group_out_q <= group_out_q + 24'(lanes);
        if (set_last) set_col_q <= set_col_q + $signed(ColBits'(desc_i.set_cols));
        if (!direct) wgt_half_q <= !wgt_half_q;
      end
      if (desc_done) begin
        act_half_q <= !act_half_q;
        out_half_q <= !out_half_q;
      end
    end
  end

  // Loops: in WAIT all stand at their beginning. --------------------------------------------------
  // Icarus Verilog 11 forgets that members of structures are signed.
  logic signed [ColBits-1:0] origin_col;
  logic signed [RowBits-1:0] origin_row;
  assign origin_col = ColBits'($signed(desc_i.origin_col)) + set_col_q;
  assign origin_row = RowBits'($signed(desc_i.origin_row));

  logic signed [ColBits-1:0] col_next_seg2, col_next_wx, col_next_ox;
  logic signed [RowBits-1:0] row_next_seg1, row_next_wy, row_next_oy;
  logic [23:0] elems_next_seg1, elems_next_wy, elems_next_oy;

  assign col_next_seg2 = seg2_col_q + $signed(ColBits'(desc_i.seg2_cols));
  assign col_next_wx = wx_col_q + $signed(ColBits'(desc_i.step_col));
  assign col_next_ox = ox_col_q + $signed(ColBits'(desc_i.window_cols));
  assign row_next_seg1 = row_q + $signed(RowBits'(desc_i.seg1_rows));
  assign row_next_wy = wy_row_q + $signed(RowBits'(desc_i.step_row));
  assign row_next_oy = oy_row_q + $signed(RowBits'(desc_i.window_rows));
  assign elems_next_seg1 = row_elems_q + desc_i.seg1_elems;
  assign elems_next_wy = wy_elems_q + desc_i.step_row_elems;
  assign elems_next_oy = oy_elems_q + desc_i.window_row_elems;

  always_ff @(posedge clk_i) begin
    if (state_q == Wait) begin
      chunk_left_q <= desc_i.chunks - 16'd1;
      seg2_left_q <= desc_i.seg2_count - 8'd1;
      seg1_left_q <= desc_i.seg1_count - 8'd1;
      wx_left_q <= desc_i.pool_w - 8'd1;
      wy_left_q <= desc_i.pool_h - 8'd1;
      ox_left_q <= desc_i.out_w - 16'd1;
      oy_left_q <= desc_i.out_h - 16'd1;
      col_q <= origin_col;
      seg2_col_q <= origin_col;
      wx_col_q <= origin_col;
      ox_col_q <= origin_col;
      row_q <= origin_row;
      wy_row_q <= origin_row;
      oy_row_q <= origin_row;
      row_elems_q <= desc_i.origin_elems;
      wy_elems_q <= desc_i.origin_elems;
      oy_elems_q <= desc_i.origin_elems;
      cx_q <= '0;
      cy_q <= '0;
      ox_cx_q <= '0;
      oy_cy_q <= '0;
      seg_left_q <= desc_i.seg_len;
      wgt_step_q <= '0;
      pos_first_q <= 1'b1;
      out_addr_q <= group_out_q;
    end else if (run) begin
      // ch
      chunk_left_q <= chunk_last ? desc_i.chunks - 16'd1 : chunk_left_q - 16'd1;
      seg_left_q <= chunk_last ? desc_i.seg_len : seg_left_q - 24'(Muls);
      wgt_step_q <= pos_done ? 16'd0 : wgt_step_q + 16'd1;
      if (!chunk_last) begin
        col_q <= col_q + ColBits'(Muls);
      end else if (!seg2_last) begin
        // s2
        seg2_left_q <= seg2_left_q - 8'd1;
        seg2_col_q <= col_next_seg2;
        col_q <= col_next_seg2;
      end else if (!seg1_last) begin
        // s1
        seg2_left_q <= desc_i.seg2_count - 8'd1;
        seg1_left_q <= seg1_left_q - 8'd1;
        seg2_col_q <= wx_col_q;
        col_q <= wx_col_q;
        row_q <= row_next_seg1;
        row_elems_q <= elems_next_seg1;
      end else begin
        // Next position.
        seg2_left_q <= desc_i.seg2_count - 8'd1;
        seg1_left_q <= desc_i.seg1_count - 8'd1;
        pos_first_q <= window_done;
        if (!wx_last) begin
          wx_left_q <= wx_left_q - 8'd1;
          cx_q <= cx_q + 16'd1;
          wx_col_q <= col_next_wx;
          seg2_col_q <= col_next_wx;
          col_q <= col_next_wx;
          row_q <= wy_row_q;
          row_elems_q <= wy_elems_q;
        end else if (!wy_last) begin
          wx_left_q <= desc_i.pool_w - 8'd1;
          wy_left_q <= wy_left_q - 8'd1;
          cx_q <= ox_cx_q;
          cy_q <= cy_q + 16'd1;
          wx_col_q <= ox_col_q;
          seg2_col_q <= ox_col_q;
          col_q <= ox_col_q;
          wy_row_q <= row_next_wy;
          wy_elems_q <= elems_next_wy;
          row_q <= row_next_wy;
          row_elems_q <= elems_next_wy;
        end else begin
          // Next window.
          wx_left_q <= desc_i.pool_w - 8'd1;
          wy_left_q <= desc_i.pool_h - 8'd1;
          out_addr_q <= out_addr_q + 24'(desc_i.out_channels);
          if (!ox_last) begin
            ox_left_q <= ox_left_q - 16'd1;
            ox_cx_q <= ox_cx_q + 16'(desc_i.pool_stride_w);
            cx_q <= ox_cx_q + 16'(desc_i.pool_stride_w);
            cy_q <= oy_cy_q;
            ox_col_q <= col_next_ox;
            wx_col_q <= col_next_ox;
            seg2_col_q <= col_next_ox;
            col_q <= col_next_ox;
            wy_row_q <= oy_row_q;
            wy_elems_q <= oy_elems_q;
            row_q <= oy_row_q;
            row_elems_q <= oy_elems_q;
          end else begin
            ox_left_q <= desc_i.out_w - 16'd1;
            oy_left_q <= oy_left_q - 16'd1;
            ox_cx_q <= '0;
            cx_q <= '0;
            oy_cy_q <= oy_cy_q + 16'(desc_i.pool_stride_h);
            cy_q <= oy_cy_q + 16'(desc_i.pool_stride_h);
            ox_col_q <= origin_col;
            wx_col_q <= origin_col;
            seg2_col_q <= origin_col;
            col_q <= origin_col;
            oy_row_q <= row_next_oy;
            oy_elems_q <= elems_next_oy;
            wy_row_q <= row_next_oy;
            wy_elems_q <= elems_next_oy;
            row_q <= row_next_oy;
            row_elems_q <= elems_next_oy;
          end
        end
      end
    end
  end

  logic unused_desc;
  assign unused_desc = ^desc_i;

  `include "checks/rst_sequencer_check.svh"
endmodule
