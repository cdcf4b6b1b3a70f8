import { requireBearerToken } from "@tac/kit";
import { Wire } from "@tac/protocol";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { Deps } from "../deps.ts";
import {
  type BudgetName,
  budgetSubject,
  budgetTermsSchema,
  budgetView,
  setBudget,
} from "../ledger/Budget.ts";
import { readJson, SMALL_BODY } from "./readJson.ts";

const tenantParams = z.object({ tenant: Wire.address });
const subjectParams = z.object({
  tenant: Wire.address,
  level: z.enum(["teams", "users"]),
  subject: budgetSubject,
});

/** Budgets above the job, for whoever has the operator's token; without a token there are no such routes. */
export function addBudgetRoutes(app: FastifyInstance, { pool, adminToken }: Deps): void {
  if (adminToken === null) return;
  const authorize = requireBearerToken(adminToken);
  const routes: [string, (params: unknown) => BudgetName][] = [
    [
      "/v1/budgets/:tenant",
      (params) => ({ ...Wire.parse(tenantParams, params), level: "tenant", subject: "" }),
    ],
    [
      "/v1/budgets/:tenant/:level/:subject",
      (params) => {
        const { tenant, level, subject } = Wire.parse(subjectParams, params);
        return { tenant, level: level === "teams" ? "team" : "user", subject };
      },
    ],
  ];
  for (const [path, nameOf] of routes) {
    app.get(path, async (request) => {
      authorize(request.headers.authorization);
      return budgetView(pool, nameOf(request.params));
    });
    app.put(path, SMALL_BODY, async (request) => {
      authorize(request.headers.authorization);
      const name = nameOf(request.params);
      await setBudget(pool, name, readJson(budgetTermsSchema, request.body));
      return budgetView(pool, name);
    });
  }
}
