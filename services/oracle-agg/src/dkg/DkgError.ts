/** A ceremony's step was refused: it does not fit, or a participant is at fault, who is then named. */
export class DkgError extends Error {
  override name = "DkgError";
  /** Id of the dealer that is at fault, in the set it deals for. */
  readonly accused: number | null;
  constructor(
    message: string,
    { accused = null, ...options }: ErrorOptions & { accused?: number | null } = {},
  ) {
    super(message, options);
    this.accused = accused;
  }
}
